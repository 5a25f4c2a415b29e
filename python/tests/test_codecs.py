"""odeon.codecs: what travels, how it looks on the wire, and what is refused."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import math
import typing
import uuid
from dataclasses import InitVar, dataclass, field

import pytest

from odeon import codecs
from odeon.errors import DecodingError, EncodingError, NameTaken

if typing.TYPE_CHECKING:  # as an import there would be: the name is not known when the program runs

    class OnlyForTypeCheckers: ...


UTC = datetime.timezone.utc


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Line:
    __manifest__ = "line"
    sku: str
    count: int = 1


@dataclass
class Order:
    """The type of the test vectors in docs/reference/wire-format.md."""

    __manifest__ = "order"
    id: str
    paid: bool
    note: str | None
    price: float
    lines: list[Line]
    tags: dict[str, int]
    raw: bytes
    text: str


ORDER = Order(
    "o-17",
    True,
    None,
    12.5,
    [Line("bolt", 3), Line("nut", -70000)],
    {"a": 1, "b": 300},
    b"\x00\xff",
    "grün ✓ 𝄞",
)
BY_NAME = bytes.fromhex(
    "88a26964a46f2d3137a470616964c3a46e6f7465c0a57072696365cb4029000000000000a56c696e"
    "65739282a3736b75a4626f6c74a5636f756e740382a3736b75a36e7574a5636f756e74d2fffeee90"
    "a47461677382a16101a162cd012ca3726177c40200ffa474657874ae6772c3bc6e20e29c9320f09d849e"
)
BY_POSITION = bytes.fromhex(
    "98a46f2d3137c3c0cb40290000000000009292a4626f6c740392a36e7574d2fffeee9082a16101a1"
    "62cd012cc40200ffae6772c3bc6e20e29c9320f09d849e"
)


class Point(typing.NamedTuple):
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    at: Point
    colour: Colour = Colour.RED
    mood: Mood = Mood.GOOD


@dataclass
class Many:
    pairs: tuple[int, str]
    all: tuple[int, ...]
    unique: set[int]
    fixed: frozenset[str]
    either: int | str | Line
    when: datetime.datetime | None = None
    long: datetime.timedelta = datetime.timedelta(0)
    anything: typing.Any = None
    nested: dict[str, list[Line]] = field(default_factory=dict)


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


def again(value: typing.Any, flags: int = 0) -> typing.Any:
    return codecs.decode(codecs.encode(value, flags), flags)


def test_a_dataclass_has_the_bytes_that_the_wire_format_gives_for_its_struct() -> None:
    sent = codecs.encode(ORDER)
    assert (sent.manifest, sent.version, sent.payload) == ("order", 1, BY_NAME)
    assert codecs.decode(sent) == ORDER


def test_a_record_is_read_by_position_as_well() -> None:
    assert codecs.decode(codecs.Encoded("order", 1, BY_POSITION)) == ORDER


VALUES: list[typing.Any] = [
    None,
    True,
    False,
    0,
    -1,
    127,
    128,
    -32,
    -33,
    255,
    256,
    65535,
    65536,
    2**31,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63),
    -(2**63) - 1,
    10**100,
    -(10**100),
    0.0,
    -0.0,
    1.5,
    math.inf,
    "",
    "a",
    "x" * 31,
    "x" * 32,
    "x" * 256,
    "x" * 70_000,
    "\0",
    "𝄞",
    b"",
    b"\xff" * 300,
    [],
    [1, [2]],
    (),
    (1, (2, [3])),
    {},
    {"a": 1},
    {1: {2.5: (3,)}},
    {(1, 2): "tuple"},
    set(),
    {1, 2},
    frozenset({"a"}),
    bytearray(b"ab"),
    1 + 2j,
    decimal.Decimal("1.50"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=7),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    range(1, 9, 2),
    datetime.datetime(2026, 1, 2, tzinfo=UTC),
    datetime.date(2026, 1, 2),
    datetime.time(1, 2),
    datetime.timedelta(-1, 5, 6),
    collections.deque([1, 2], 3),
    collections.OrderedDict(b=1, a=2),
    Colour.BLUE,
    Mood.BAD,
    Rights.READ | Rights.WRITE,
    Point(1, 2),
    Line("a"),
    ORDER,
    Frozen(Point(1), Colour.BLUE, Mood.BAD),
    Tree("root", [Tree("leaf"), Tree("leaf")]),
    [Line("a"), (Line("b"), {"c": Line("c")})],
]


def test_a_value_comes_back_equal_and_of_its_own_type() -> None:
    for value in VALUES:
        got = again(value)
        assert got == value and type(got) is type(value)
        assert repr(got) == repr(value) or isinstance(value, (set, frozenset))


def test_nan_stays_nan() -> None:
    assert math.isnan(again(math.nan))


def test_every_declared_kind_of_field_comes_back() -> None:
    value = Many(
        (1, "x"),
        (1, 2, 3),
        {4, 5},
        frozenset({"a"}),
        Line("u", 2),
        datetime.datetime(2026, 5, 6, 7, 8, 9, 10, UTC),
        datetime.timedelta(1, 2, 3),
        (1, {2}),
        {"k": [Line("n")]},
    )
    assert again(value) == value
    for either in (1, -5, 2**63, "text", Line("l")):
        value.either = either
        assert again(value) == value


def test_a_union_is_labelled_as_cpp_labels_a_variant() -> None:
    value = Many((1, "x"), (), set(), frozenset(), 5)
    assert b"\xa6either\x81\xa3i64\x05" in codecs.encode(value).payload
    value.either = "s"
    assert b"\xa6either\x81\xa6string\xa1s" in codecs.encode(value).payload
    value.either = Line("l")
    assert b"\xa6either\x81\xa4line\x82" in codecs.encode(value).payload


def test_times_are_nanoseconds_where_they_are_declared() -> None:
    value = Many(
        (1, "x"),
        (),
        set(),
        frozenset(),
        1,
        datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        datetime.timedelta(seconds=2),
    )
    payload = codecs.encode(value).payload
    assert b"\xa4when\xce\x3b\x9a\xca\x00" in payload and b"\xa4long\xce\x77\x35\x94\x00" in payload


def test_a_time_without_a_zone_is_refused_where_a_point_in_time_is_declared() -> None:
    with pytest.raises(EncodingError, match=r"Many\.when: .*time zone"):
        codecs.encode(Many((1, "x"), (), set(), frozenset(), 1, datetime.datetime(2026, 1, 1)))


def test_missing_fields_take_their_defaults_and_unknown_ones_are_skipped() -> None:
    msgpack = pytest.importorskip("msgpack")
    bytes_ = msgpack.packb({"sku": "a", "extra": {"deep": [1, msgpack.ExtType(77, b"zz")]}, 5: 6})
    assert codecs.decode(codecs.Encoded("line", 1, bytes_)) == Line("a", 1)


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(DecodingError, match='field "sku" of Line is not there'):
        codecs.decode(codecs.Encoded("line", 1, b"\x81\xa5count\x01"))


@pytest.mark.parametrize(
    "payload, reason",
    [
        (b"\x82\xa3sku\xa1a\xa3sku\xa1b", 'at byte 7: the field "sku" is there twice'),
        (b"\x81\xa3sku\x05", "at byte 5, field sku: expected a string, found an integer"),
        (
            b"\x82\xa3sku\xa1a\xa5count\xcb" + bytes(8),
            "at byte 13, field count: expected an integer, found a float",
        ),
        (b"\x81\xa3sku\xa1a\xc0", "at byte 7: bytes are left behind the value"),
        (b"\x81\xa3sku\xa2a", "field sku: the input ends too early"),
        (b"\x81\xa3sku\xa1\xff", "field sku: the string is not UTF-8"),
        (b"\xc1", "the byte 0xc1, which MessagePack does not use"),
        (b"", "the input ends too early"),
        (b"\xc3", "at byte 0: expected a map, found a boolean"),
    ],
)
def test_a_malformed_record_is_refused_with_its_place(payload: bytes, reason: str) -> None:
    codecs.encode(Line("known"))
    with pytest.raises(DecodingError) as refused:
        codecs.decode(codecs.Encoded("line", 1, payload))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "spoil, place",
    [
        (lambda o: setattr(o, "paid", 1), "Order.paid: expected bool, found int"),
        (lambda o: setattr(o, "price", "x"), "Order.price: expected float, found str"),
        (lambda o: setattr(o, "price", 2**60), "Order.price: the int is too large"),
        (lambda o: o.lines.append("x"), "Order.lines[2]: expected Line, found str"),
        (
            lambda o: setattr(o.lines[1], "count", True),
            "Order.lines[1].count: expected int, found bool",
        ),
        (lambda o: o.tags.update(c="x"), "Order.tags['c']: expected int, found str"),
        (lambda o: setattr(o, "text", "\ud800"), "Order.text: the text is not Unicode"),
        (lambda o: delattr(o, "id"), "Order.id: the field is not there"),
    ],
)
def test_an_encoding_error_names_the_place_inside_the_message(
    spoil: typing.Callable[[Order], object], place: str
) -> None:
    order = again(ORDER)
    spoil(order)
    with pytest.raises(EncodingError) as refused:
        codecs.encode(order)
    assert str(refused.value).startswith(place)


def test_an_object_without_a_codec_is_refused_with_what_to_do() -> None:
    with pytest.raises(EncodingError, match=r"list\[1\].a\[0\]|\['a'\]: no codec for object"):
        codecs.encode([1, {"a": object()}])


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[typing.Any] = []
    loop.append(loop)
    with pytest.raises(EncodingError, match="nested too deeply, or holds itself"):
        codecs.encode(loop)


def test_a_manifest_that_is_not_registered_is_not_imported() -> None:
    with pytest.raises(DecodingError, match='no class is registered as "this.Zen"'):
        codecs.decode(codecs.Encoded("this.Zen", 1, b"\x80"))


def test_a_manifest_is_a_class_path_for_who_allows_imports() -> None:
    codec = codecs.Codec()
    sent = codecs.Encoded(f"{Point.__module__}.Point", 1, b"\x82\xa1x\x01\xa1y\x02")
    with pytest.raises(DecodingError):
        codec.decode(sent)
    assert codec.decode(sent, codecs.ALLOW_IMPORT) == Point(1, 2)


def test_an_import_gives_classes_with_declared_fields_only() -> None:
    with pytest.raises(DecodingError, match="no class is registered"):
        codecs.decode(codecs.Encoded("subprocess.Popen", 1, b"\x80"), codecs.ALLOW_IMPORT)


class Plain:
    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.n == self.n


def test_a_pickle_travels_only_when_both_sides_allow_it() -> None:
    with pytest.raises(EncodingError):
        codecs.encode(Plain(1))
    sent = codecs.encode([Plain(1)], codecs.ALLOW_PICKLE)
    with pytest.raises(DecodingError, match="a pickle, which is not accepted here"):
        codecs.decode(sent)
    assert codecs.decode(sent, codecs.ALLOW_PICKLE) == [Plain(1)]


def test_a_class_is_registered_with_callables() -> None:
    codec = codecs.Codec()
    codec.register(Plain, manifest="plain", encode=lambda v: v.n, decode=Plain, through=int)
    sent = codec.encode(Plain(5))
    assert (sent.manifest, sent.payload) == ("plain", b"\x05")
    assert codec.decode(sent) == Plain(5)


def test_registering_anew_replaces_at_once() -> None:
    codec = codecs.Codec()
    codec.register(Plain, manifest="plain", encode=lambda v: v.n, decode=Plain)
    sent = codec.encode(Plain(5))
    assert codec.decode(sent) == codec.decode(sent) == Plain(5)
    codec.register(Plain, manifest="plain", encode=lambda v: v.n, decode=lambda n: Plain(-n))
    assert codec.decode(sent) == Plain(-5)


def test_what_a_callable_raises_becomes_the_cause() -> None:
    codec = codecs.Codec()
    codec.register(Plain, manifest="plain", encode=lambda v: 1 // 0, decode=lambda v: 1 // 0)
    with pytest.raises(EncodingError, match=r"\[0\]: ZeroDivisionError") as refused:
        codec.encode([Plain(5)])
    assert isinstance(refused.value.__cause__, ZeroDivisionError)
    with pytest.raises(DecodingError, match="at byte 0: ZeroDivisionError") as unread:
        codec.decode(codecs.Encoded("plain", 1, b"\x05"))
    assert isinstance(unread.value.__cause__, ZeroDivisionError)


def test_two_classes_cannot_have_one_manifest() -> None:
    codec = codecs.Codec()
    codec.register(Line, manifest="same")
    with pytest.raises(NameTaken, match="same"):
        codec.register(Order, manifest="same")
    codec.register(Order, manifest="same", force=True)


def test_a_class_that_says_nothing_cannot_be_registered() -> None:
    with pytest.raises(TypeError, match="does not say how it travels"):
        codecs.Codec().register(Plain)


def test_strict_refuses_a_class_that_others_cannot_import() -> None:
    @dataclass
    class Local:
        n: int

    codec = codecs.Codec()
    with pytest.raises(ValueError, match="cannot be imported elsewhere"):
        codec.register(Local, strict=True)
    codec.register(Local)
    codec.register(Line, strict=True)


def test_one_codec_for_many_class_paths() -> None:
    codec = codecs.Codec()
    codec.register_codec(
        "n",
        lambda v: b"%d" % v.n,
        lambda path, data: Plain(int(data)),
        [f"{Plain.__module__}.Plain"],
    )
    assert codec.decode(codec.encode(Plain(12))) == Plain(12)
    with pytest.raises(ValueError, match="no.such.Class"):
        codec.register_codec("n", bytes, lambda path, data: data, ["no.such.Class"])
    with pytest.warns(UserWarning, match="no.such.Class is left out"):
        codec.register_codec("n", bytes, lambda path, data: data, ["no.such.Class"], strict=False)


def test_json_catches_every_other_class_when_asked_to() -> None:
    codec = codecs.Codec()
    codec.use_json_codec()
    sent = codec.encode(Plain(3))
    assert sent.payload == b'\xa8{"n": 3}'
    assert codec.decode(sent) == Plain(3)
    with pytest.raises(DecodingError, match="JSON object"):
        codec.decode(codecs.Encoded(sent.manifest, 1, b"\xa2[]"))
    with pytest.raises(EncodingError, match="not JSON serializable"):
        codec.encode(Plain(object()))  # type: ignore[arg-type]
    with pytest.raises(EncodingError, match="no codec for function"):
        codec.encode(again)


@dataclass
class DepositV1:
    __manifest__ = "deposit"
    cents: int = 0


@dataclass
class DepositV2:
    __manifest__ = "deposit"
    __version__ = 2
    cents: int = 0
    currency: str = "EUR"

    @staticmethod
    def upcast(old: DepositV1) -> DepositV2:
        return DepositV2(old.cents, "old")


@dataclass
class DepositV3:
    __manifest__ = "deposit"
    __version__ = 3
    amount: float = 0.0

    @staticmethod
    def upcast(old: DepositV2) -> DepositV3:
        return DepositV3(old.cents / 100)


def test_an_old_version_goes_through_the_chain_of_upcasts() -> None:
    codec = codecs.Codec()
    codec.register(DepositV3)
    old = codecs.Encoded("deposit", 1, b"\x81\xa5cents\xcc\xfa")
    assert codec.decode(old) == DepositV3(2.5)
    assert codec.encode(DepositV3(1.0)).version == 3
    with pytest.raises(
        DecodingError, match="deposit, version 4: this program knows versions up to 3"
    ):
        codec.decode(codecs.Encoded("deposit", 4, b"\x80"))


def test_an_upcast_may_take_and_give_the_fields_as_a_dict() -> None:
    codec = codecs.Codec()
    codec.register(Line, manifest="l", version=2, upcast=lambda old: {"sku": old["name"]})
    assert codec.decode(codecs.Encoded("l", 1, b"\x81\xa4name\xa1a")) == Line("a")


def test_an_alias_is_read_and_not_written() -> None:
    codec = codecs.Codec()
    codec.register(Line, manifest="new", aliases=("old",))
    assert codec.decode(codecs.Encoded("old", 1, b"\x81\xa3sku\xa1a")) == Line("a")
    assert codec.encode(Line("a")).manifest == "new"


@dataclass
class Checked:
    n: int
    scale: InitVar[int] = 2

    def __post_init__(self, scale: int) -> None:
        self.n *= scale


@dataclass
class Positive:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("n must not be negative")


def test_a_post_init_checks_what_arrives() -> None:
    sent = codecs.encode(Positive(1))
    with pytest.raises(DecodingError, match="ValueError: n must not be negative"):
        codecs.decode(codecs.Encoded(sent.manifest, 1, b"\x81\xa1n\xff"))


def test_init_only_arguments_are_no_part_of_the_value() -> None:
    assert again(Checked(3)).n == 6


class Model:
    """The two methods that make a class pydantic-like, and declared fields."""

    def __init__(self, **fields: typing.Any) -> None:
        self.__dict__.update(fields)

    def model_dump(self) -> dict[str, typing.Any]:
        return dict(self.__dict__)

    @classmethod
    def model_validate(cls, fields: dict[str, typing.Any]) -> Model:
        if "name" not in fields:
            raise ValueError("name is missing")
        return cls(**fields)


def test_a_class_with_model_dump_travels_and_is_validated() -> None:
    sent = codecs.encode(Model(name="a", n=(1, 2)))
    assert codecs.decode(sent).__dict__ == {"name": "a", "n": (1, 2)}
    with pytest.raises(DecodingError, match="name is missing"):
        codecs.decode(codecs.Encoded(sent.manifest, 1, b"\x80"))


class Stateful:
    def __init__(self, n: int) -> None:
        self.n, self.cache = n, object()

    def __get_state__(self) -> int:
        return self.n

    def __set_state__(self, state: int) -> None:
        self.n = state


def test_a_class_with_get_state_says_what_travels() -> None:
    assert again(Stateful(5)).n == 5


def test_pydantic_models_keep_their_types() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")
    globals()["Inner"] = pydantic.create_model("Inner", n=(int, ...), __module__=__name__)
    outer = pydantic.create_model(
        "Outer", inner=(globals()["Inner"], ...), tags=(list[str], []), __module__=__name__
    )
    value = outer(inner=globals()["Inner"](n=1), tags=["a"])
    assert again(value) == value


def test_attrs_classes_travel() -> None:
    attrs = pytest.importorskip("attr")
    cls = attrs.make_class("Pair", {"a": attrs.ib(), "_b": attrs.ib(default=3)})
    cls.__module__ = __name__
    assert again(cls(1, [2])) == cls(1, [2])


class Odd(Exception):
    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(code)
        self.text = text


def test_exceptions_travel_with_their_arguments_and_notes() -> None:
    error = KeyError("k", 1)
    error.add_note("seen")
    got = again(error)
    assert type(got) is KeyError and got.args == ("k", 1) and got.__notes__ == ["seen"]


def test_an_unknown_exception_arrives_as_a_foreign_one() -> None:
    got = again(Odd(5, text="t"))
    assert isinstance(got, codecs.ForeignError)
    assert got.class_path.endswith("Odd") and got.original_args == (5,)
    codec = codecs.Codec()
    codec.register(Odd)
    known = codec.decode(codec.encode(Odd(5, text="t")))
    assert type(known) is Odd and known.args == (5,)


class Ref:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other.text == self.text


@dataclass
class Answer:
    to: Ref
    also: Ref | None = None


def test_an_annotation_that_cannot_be_resolved_leaves_the_others_as_they_are() -> None:
    @dataclass
    class Local:
        n: int
        line: Line
        what: OnlyForTypeCheckers
        next: Local | None = None

    value = Local(1, Line("a"), (1, 2), Local(2, Line("b"), "x"))
    assert again(value) == value
    assert b"\xa4line\x82\xa3sku\xa1a" in codecs.encode(value).payload
    with pytest.raises(EncodingError, match="Local.n: expected int"):
        codecs.encode(Local("x", Line("a"), None))  # type: ignore[arg-type]


def test_references_travel_as_their_address() -> None:
    codec = codecs.Codec()
    codec.set_reference_type(Ref, lambda ref: ref.text, Ref)
    sent = codec.encode(Answer(Ref("odeon://a/user/b")))
    assert b"\xa2to\xb0odeon://a/user/b" in sent.payload
    assert codec.decode(sent) == Answer(Ref("odeon://a/user/b"))
    assert codec.decode(codec.encode([Ref("x")])) == [Ref("x")]


def test_a_system_has_its_own_codec_above_the_default_one() -> None:
    own = codecs.Codec(codecs.default)
    assert own.decode(own.encode(ORDER)) == ORDER
    own.register(Plain, manifest="own.plain", encode=lambda v: v.n, decode=Plain)
    with pytest.raises(EncodingError):
        codecs.encode(Plain(1))


@dataclass
class Base:
    n: int


@dataclass
class Derived(Base):
    more: str = ""


@dataclass
class Holder:
    one: Base
    all: list[Base]


def test_a_derived_object_keeps_its_class_in_a_field_of_its_base() -> None:
    value = Holder(Derived(1, "x"), [Base(2), Derived(3)])
    got = again(value)
    assert got == value and [type(v) for v in got.all] == [Base, Derived]


def test_python_msgpack_reads_what_is_written_and_the_other_way_round() -> None:
    msgpack = pytest.importorskip("msgpack")
    value = {"a": [1, -1, 2**63, 1.5, None, True, "ü", b"b"], "b": {"c": list(range(100))}}
    assert msgpack.unpackb(codecs.encode(value).payload) == value
    assert codecs.decode(codecs.Encoded("python.value", 1, msgpack.packb(value))) == value
    single = msgpack.packb(1.5, use_single_float=True)
    assert codecs.decode(codecs.Encoded("python.value", 1, single)) == 1.5
