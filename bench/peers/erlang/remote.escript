#!/usr/bin/env escript
%% The remote workloads of docs/guide/benchmarks.md between two Erlang nodes over loopback TCP.
%% Started by rows_erlang.py: `far` serves until its standard input ends; `near NODE WORKLOAD SIZE
%% WORK` prints `metric value` lines.
-mode(compile).

-define(AHEAD, 8).

main(["far"]) ->
    register(far_end, spawn(fun() -> far_end(none, 1, 0, 0) end)),
    io:format("ready~n"),
    _ = io:get_line(""),
    ok;
main(["near", Node, Workload, Size, Work]) ->
    Far = {far_end, list_to_atom(Node)},
    pong = net_adm:ping(list_to_atom(Node)),
    run(Workload, Far, list_to_integer(Size), list_to_float(Work)).

far_end(Sender, Window, Seen, Sum) ->
    receive
        {item, Value, _Body} when (Seen + 1) rem Window =:= 0, Sender =/= none ->
            Sender ! window_done,
            far_end(Sender, Window, Seen + 1, Sum + Value);
        {item, Value, _Body} ->
            far_end(Sender, Window, Seen + 1, Sum + Value);
        {attach, NewSender, NewWindow} ->
            far_end(NewSender, NewWindow, 0, 0);
        {question, From, Ref, Value} ->
            From ! {Ref, Value + 1},
            far_end(Sender, Window, Seen, Sum);
        {sum_so_far, From, Ref} ->
            From ! {Ref, Sum},
            far_end(Sender, Window, Seen, Sum)
    end.

run("remote_tell", Far, Window, Work) ->
    Windows = trunc(2000000 * Work) div Window + 1,
    _ = tell_pass(Far, Window, max(1, Windows div 10)),
    Elapsed = tell_pass(Far, Window, Windows),
    row("throughput", Windows * Window * 1000 / Elapsed);
run("remote_ask", Far, Open, Work) ->
    Asks = max(10, trunc(20000 * Work)),
    _ = [ask(Far, N) || N <- lists:seq(1, Asks div 10)],
    Waits = lists:sort([ask(Far, N) || N <- lists:seq(1, Asks)]),
    row("p50", percentile(Waits, Asks, 50) / 1000),
    row("p99", percentile(Waits, Asks, 99) / 1000),
    Total = max(Open, trunc(500000 * Work)),
    _ = many(Far, Open, max(Open, Total div 10)),
    Elapsed = many(Far, Open, Total),
    row("open_1000", Total * 1000000 / Elapsed).

%% Nanoseconds. A few windows are on their way; each is acknowledged.
tell_pass(Far, Window, Windows) ->
    Far ! {attach, self(), Window},
    Body = <<0:(44 * 8)>>,
    Started = erlang:monotonic_time(nanosecond),
    First = min(?AHEAD, Windows),
    [send_window(Far, Window, Body) || _ <- lists:seq(1, First)],
    acknowledged(Far, Window, Body, Windows - First, Windows),
    Elapsed = erlang:monotonic_time(nanosecond) - Started,
    Ref = make_ref(),
    Far ! {sum_so_far, self(), Ref},
    Expected = Windows * (Window * (Window - 1) div 2),
    receive {Ref, Expected} -> Elapsed end.

send_window(Far, Window, Body) ->
    [Far ! {item, N, Body} || N <- lists:seq(0, Window - 1)].

acknowledged(_Far, _Window, _Body, _Left, 0) ->
    ok;
acknowledged(Far, Window, Body, Left, Open) ->
    receive window_done -> ok end,
    case Left of
        0 -> acknowledged(Far, Window, Body, 0, Open - 1);
        _ ->
            send_window(Far, Window, Body),
            acknowledged(Far, Window, Body, Left - 1, Open - 1)
    end.

ask(Far, N) ->
    Started = erlang:monotonic_time(nanosecond),
    Ref = make_ref(),
    Far ! {question, self(), Ref, N},
    Answer = N + 1,
    receive {Ref, Answer} -> erlang:monotonic_time(nanosecond) - Started end.

%% One process keeps a number of questions open; answers come in order.
many(Far, Open, Total) ->
    Started = erlang:monotonic_time(nanosecond),
    Ref = make_ref(),
    [Far ! {question, self(), Ref, N} || N <- lists:seq(1, Open)],
    answers(Far, Ref, Open + 1, Total, 1),
    erlang:monotonic_time(nanosecond) - Started.

answers(_Far, _Ref, _Next, Total, N) when N > Total ->
    ok;
answers(Far, Ref, Next, Total, N) ->
    Answer = N + 1,
    receive {Ref, Answer} -> ok end,
    case Next =< Total of
        true -> Far ! {question, self(), Ref, Next};
        false -> ok
    end,
    answers(Far, Ref, Next + 1, Total, N + 1).

percentile(Sorted, Count, P) ->
    lists:nth(max(1, (Count * P + 99) div 100), Sorted).

row(Metric, Value) ->
    io:format("~s ~.6f~n", [Metric, Value * 1.0]).
