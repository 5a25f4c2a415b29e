#include "crash/power_loss.hpp"

#include "crash/checker.hpp"
#include "crash/fleet.hpp"
#include <odeon/runtime/simulated.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>

namespace crash {

namespace {

// A power loss that may happen: the disk it leaves, and what had been told until then.
struct cut {
  disk_image disk;
  claims told;
  survival how;
  std::uint64_t operation;
};

void put(const scratch_folder& in, const disk_image& files) {
  in.empty();
  for (const auto& [name, bytes] : files) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> f(
        std::fopen(in.file(name.c_str()).c_str(), "wb"), std::fclose);
    if (!f || std::fwrite(bytes.data(), 1, bytes.size(), f.get()) != bytes.size())
      throw std::runtime_error("cannot write " + in.file(name.c_str()));
  }
}

class chain {
 public:
  chain(const loss_options& options, const scratch_folder& in)
      : options_(options),
        in_(in),
        dice_(options.seed) {}

  loss_outcome run() {
    seed_sqlite(options_.seed | 1);
    disk_image disk;
    claims told;
    told.ids = options_.ids;
    for (life_ = 0; life_ < options_.lives && out_.faults.empty(); ++life_) {
      live(disk, told);
      ++out_.lives;
      std::vector<claims> found;
      for (const auto& c : cuts_) {
        put(in_, c.disk);
        found.push_back(look(c));
      }
      if (cuts_.empty()) break;
      const std::size_t next = dice_.below(cuts_.size());
      disk = std::move(cuts_[next].disk);
      told = found[next];
    }
    observe(nullptr);
    seed_sqlite(0);
    return std::move(out_);
  }

 private:
  void fault(const std::string& what) {
    out_.faults.push_back("seed " + std::to_string(options_.seed) + ", life " +
                          std::to_string(life_) + ": " + what);
  }

  // Works for a while, and takes images at moments of its own choice on the way: while the journal
  // is opened, while it works, while it closes.
  void live(const disk_image& start, claims told) {
    put(in_, start);
    cuts_.clear();
    const std::uint64_t gap = 1 + dice_.below(30);
    disk_model* disk = nullptr;
    const auto moment = [&] {
      if (cuts_.size() == options_.images || !dice_.one_in(gap)) return;
      const auto how = static_cast<survival>(dice_.below(survivals));
      cuts_.push_back({disk->image(how, dice_), told, how, disk->operations()});
    };
    disk_model model(start, options_.broken, moment);
    disk = &model;
    observe(&model);
    const std::uint64_t before = told.acknowledgements;
    {
      odeon::simulated_runtime rt({.seed = dice_.next()});
      auto opened = odeon::open_sqlite_journal(rt, journal_at(in_.file("journal.db")));
      if (!opened) return fault("it does not open: " + opened.error().to_string());
      fleet writers(**opened, told,
                    {.seed = dice_.next(), .steps = 0, .lies = options_.writer_lies});
      writers.start();
      if (!dice_.one_in(4)) rt.settle();
      for (std::uint64_t bursts = 1 + dice_.below(5); bursts > 0; --bursts) {
        writers.more(1 + dice_.below(60));
        rt.settle();
      }
      writers.end();
      opened->reset();
      if (!writers.fault().empty()) fault(writers.fault());
    }
    observe(&no_syncs());
    out_.acknowledgements += told.acknowledgements - before;
    out_.operations += model.operations();
  }

  // Checks one image; some of them live on for a while and are checked again.
  claims look(const cut& c) {
    ++out_.images;
    const std::string path = in_.file("journal.db");
    const auto v = check_journal(path, c.told, dice_.one_in(2));
    const std::string where = "operation " + std::to_string(c.operation) + ", " + name_of(c.how) +
                              " of what was not synced: ";
    for (const auto& f : v.faults) fault(where + f);
    if (v.faults.empty() && dice_.one_in(6)) {
      claims told = v.found;
      {
        odeon::simulated_runtime rt({.seed = dice_.next()});
        auto opened = odeon::open_sqlite_journal(rt, journal_at(path));
        if (!opened) {
          fault(where + "it does not open again: " + opened.error().to_string());
          return v.found;
        }
        fleet writers(**opened, told, {.seed = dice_.next(), .steps = 0});
        writers.start();
        rt.settle();
        writers.more(40);
        rt.settle();
        opened->reset();
      }
      for (const auto& f : check_journal(path, told, false).faults)
        fault(where + "when it works on: " + f);
    }
    return v.found;
  }

  const loss_options options_;
  const scratch_folder& in_;
  dice dice_;
  unsigned life_ = 0;
  std::vector<cut> cuts_;
  loss_outcome out_;
};

}  // namespace

loss_outcome run_losses(const loss_options& options, const scratch_folder& in) {
  return chain(options, in).run();
}

}  // namespace crash
