// How spool_engine comes back after a failed write: part of routing/detail/spool_engine.hpp.
#ifndef GATEPOST_ROUTING_DETAIL_SPOOL_REPAIR_HPP
#define GATEPOST_ROUTING_DETAIL_SPOOL_REPAIR_HPP

#include <algorithm>

#include "routing/detail/spool_engine.hpp"
#include "routing/detail/spool_log.hpp"

namespace gatepost::routing::detail {

inline void spool_engine::break_down(const rocksdb::Status& status) {
  smtp::errc why = error_of(status);
  if (why != smtp::errc::spool_full) why = smtp::errc::spool_failed;
  if (broken_.exchange(static_cast<int>(why)) == 0) retry_wait_ = options_.first_retry;
  next_attempt_ = clock::now() + retry_wait_;
  complain([&] {
    return options_.directory + ": cannot write: " + status.ToString() +
           "; messages are refused until it works again";
  });
}

inline void spool_engine::try_again() {
  if (clock::now() < next_attempt_) return;
  const rocksdb::Status status = try_to([this] { return repair(); });
  if (status.ok()) {
    complain([this] { return options_.directory + ": writing works again"; });
    broken_ = 0;
    return;
  }
  retry_wait_ = std::min(retry_wait_ * 2, options_.longest_retry);
  next_attempt_ = clock::now() + retry_wait_;
}

// After a failed write nobody knows how much of it is in the log. The database is opened anew,
// which reads the log back, and what nobody was promised is removed.
inline rocksdb::Status spool_engine::repair() {
  if (!space_.enough()) {
    // Room counts for more than a loss of power.
    remove_unneeded_files();
    return rocksdb::Status::NoSpace();
  }
  if (fault(spool_step::reopen)) return rocksdb::Status::IOError("injected");
  rocksdb::Status status = store_.open();
  if (!status.ok()) return status;
  unsynced_since_.reset();  // what the log had is in a table now
  begin_batch();
  for (const operation_ptr& doubtful : doubtful_) {
    if (doubtful->what != spool_operation::kind::commit) continue;
    require(batch_.Delete(record_key(doubtful->id)));
    require(batch_.SingleDelete(body_key(doubtful->id)));
  }
  // What was not synced may be lost with what failed.
  for (const std::string& id : unneeded_files_) require(batch_.Delete(record_key(id)));
  // Also without any: shows that writing works.
  require(batch_.Put(slice_of(format_key), slice_of(format_value)));
  status = write_batch(true);
  if (!status.ok()) return status;
  for (; !doubtful_.empty(); doubtful_.pop_back()) dispel(*doubtful_.back());
  return status;
}

// Of a commit nothing is left now. A removal has taken place, or it has not.
inline void spool_engine::dispel(spool_operation& doubtful) {
  if (doubtful.what == spool_operation::kind::commit) {
    if (doubtful.in_file) files_.remove(doubtful.id);
  } else if (store_.read(record_key(doubtful.id), found_).IsNotFound()) {
    removed(doubtful);
  }
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_SPOOL_REPAIR_HPP
