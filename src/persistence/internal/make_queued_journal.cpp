#include "persistence/internal/queued_journal.hpp"

namespace odeon::store {

std::unique_ptr<journal> make_queued_journal(runtime& rt, const journal_options& options,
                                             std::unique_ptr<write_backend> writer,
                                             std::vector<std::unique_ptr<read_backend>> readers) {
  return std::make_unique<detail::queued_journal>(rt, options, std::move(writer),
                                                  std::move(readers));
}

}  // namespace odeon::store
