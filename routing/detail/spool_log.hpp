// The two threads of spool_engine: part of routing/detail/spool_engine.hpp.
#ifndef GATEPOST_ROUTING_DETAIL_SPOOL_LOG_HPP
#define GATEPOST_ROUTING_DETAIL_SPOOL_LOG_HPP

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "routing/detail/spool_engine.hpp"

namespace gatepost::routing::detail {

// --- Body thread ---------------------------------------------------------------------------------

inline spool_engine::wake_up spool_engine::run_bodies(std::vector<body_job>& jobs) {
  std::vector<operation_ptr> finished;
  for (body_job& job : jobs) {
    try {
      do_job(job, finished);
    } catch (...) {  // no memory: this one fails
      if (job.wait) job.wait->finish(smtp::errc::spool_failed);
      job.commit.reset();
    }
    job.text.reset();
  }
  if (!finished.empty()) hand_over(finished);
  return std::nullopt;
}

inline void spool_engine::do_job(body_job& job, std::vector<operation_ptr>& finished) {
  if (job.commit) {
    finished.reserve(finished.size() + 1);  // first: a file that is finished has to be handed over
    job.commit->answer = finish_file(*job.text);
    finished.push_back(std::move(job.commit));
  } else if (job.wait && !job.wait->abandoned()) {
    const std::error_code written = write_buffer(*job.text);
    job.wait->finish(written);
  }
}

inline std::error_code spool_engine::write_buffer(spilled_text& text) {
  std::error_code failed = fault(spool_step::body_write);
  if (!failed) failed = text.file->write(text.buffer);
  if (failed) return trouble_with_file(failed);
  space_.used(text.buffer.size());
  text.buffer.clear();
  return {};
}

inline std::error_code spool_engine::finish_file(spilled_text& text) {
  const std::error_code unwritten = write_buffer(text);
  if (unwritten) return unwritten;
  text.buffer = {};
  text.held.release();
  std::error_code failed = fault(spool_step::body_sync);
  if (!failed) failed = text.file->finish();
  return failed ? trouble_with_file(failed) : std::error_code{};
}

// One sync makes the names of all of them last; then they go to the log.
inline void spool_engine::hand_over(std::vector<operation_ptr>& finished) {
  const std::error_code unsynced = files_.sync();
  count([&](spool_stats& s) { s.body_syncs += finished.size() + 1; });
  for (operation_ptr& operation : finished) {
    std::error_code& answer = operation->answer;
    if (!answer && unsynced) answer = trouble_with_file(unsynced);
    if (!answer && pass_on(operation)) continue;
    files_.remove(operation->id);
    operation->finish(answer ? answer : make_error_code(smtp::errc::spool_failed));
    count([](spool_stats& s) { ++s.failures; });
  }
}

inline bool spool_engine::pass_on(operation_ptr& operation) {
  try {
    return log_.push(operation);
  } catch (...) {  // no memory
    return false;
  }
}

inline std::error_code spool_engine::trouble_with_file(std::error_code why) const {
  const bool full = why == std::errc::no_space_on_device || why.value() == EDQUOT ||
                    why == smtp::errc::spool_full;
  complain([&] {
    return options_.directory + "/bodies: cannot write a message's text: " + why.message();
  });
  return full ? smtp::errc::spool_full : smtp::errc::spool_failed;
}

inline void spool_engine::report_space(bool low) const {
  report(low ? options_.directory + ": less than " + std::to_string(options_.free_reserve >> 20) +
                   " MiB are free on its file system; no message is taken until there is more"
             : options_.directory + ": there is free space again");
}

// --- Log thread ----------------------------------------------------------------------------------

inline spool_engine::wake_up spool_engine::run_log(std::vector<operation_ptr>& batch) {
  if (broken_ != 0) try_again();
  if (broken_ == 0 && !retries_.empty()) {
    std::vector<operation_ptr> again;
    again.swap(retries_);
    work_off(again);
  }
  work_off(batch);
  // Each removal is of another message, so this ends.
  while (!follow_ups_.empty()) {
    std::vector<operation_ptr> more;
    more.swap(follow_ups_);
    work_off(more);
  }
  sync_if_due();
  if (broken_ == 0 && !unsynced_since_) remove_unneeded_files();
  return next_wake_up();
}

inline void spool_engine::work_off(std::vector<operation_ptr>& operations) {
  std::size_t begin = 0;
  std::uint64_t octets = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    octets += operations[i]->body.size() + operations[i]->record.size();
    if (octets < batch_octets && i + 1 < operations.size()) continue;
    write(std::span(operations).subspan(begin, i + 1 - begin));
    begin = i + 1;
    octets = 0;
  }
}

inline void spool_engine::write(std::span<operation_ptr> operations) {
  if (broken_ != 0) {
    const std::error_code why = static_cast<smtp::errc>(broken_.load());
    make_room(operations.size());
    for (operation_ptr& operation : operations) settle(operation, why);
    return;
  }
  std::error_code failed;
  try {
    failed = try_to_write(operations);
  } catch (...) {  // no memory, and nothing was written
    failed = smtp::errc::spool_failed;
    for (operation_ptr& operation : operations) operation->written = false;
  }
  for (operation_ptr& operation : operations) settle(operation, failed);
}

// What throws is what comes before the write; what comes after it needs no memory.
inline std::error_code spool_engine::try_to_write(std::span<operation_ptr> operations) {
  make_room(operations.size());
  begin_batch();
  going_.clear();
  bool sync = false;
  for (const operation_ptr& operation : operations) prepare(*operation, sync);
  if (batch_.Count() == 0) return {};
  const rocksdb::Status status = write_batch(sync);
  if (status.ok()) return {};
  break_down(status);
  return static_cast<smtp::errc>(broken_.load());
}

// For what may become of each of them.
inline void spool_engine::make_room(std::size_t operations) {
  const auto in = [operations](auto& list) {
    const std::size_t wanted = list.size() + operations;
    if (list.capacity() < wanted) list.reserve(std::max(wanted, 2 * list.capacity()));
  };
  in(follow_ups_);
  in(retries_);
  in(doubtful_);
  in(unneeded_files_);
}

// Tells whoever reads the log that all before this batch was safe; see log_scan.hpp.
inline void spool_engine::begin_batch() {
  batch_.Clear();
  if (!unsynced_since_) batch_.PutLogData(slice_of(synced_mark));
}

// A batch that lacks something must not be written.
inline void require(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// Puts an operation into the batch, or sets its answer.
inline void spool_engine::prepare(spool_operation& operation, bool& sync) {
  using kind = spool_operation::kind;
  if (operation.what == kind::remove) {
    prepare_removal(operation);
  } else if (operation.what == kind::commit) {
    if (operation.wait->abandoned()) {
      operation.answer = smtp::errc::cancelled;
      return;
    }
    require(batch_.Put(record_key(operation.id), operation.record));
    if (operation.in_file) in_file_.insert(operation.id);
    if (!operation.in_file) require(batch_.Put(body_key(operation.id), operation.body));
    operation.written = true;
  } else {
    operation.answer = find(operation.id);
    if (operation.answer) return;
    require(batch_.Put(record_key(operation.id), operation.record));
    operation.written = true;
  }
  sync = sync || (operation.written && operation.synced);
}

// Reads the record of a message that stays, into found_.
inline std::error_code spool_engine::find(const std::string& id) {
  if (going_.contains(id)) return smtp::errc::not_found;
  const rocksdb::Status status = store_.read(record_key(id), found_);
  return status.ok() ? std::error_code{} : error_of(status);
}

inline void spool_engine::prepare_removal(spool_operation& operation) {
  const std::error_code missing = find(operation.id);
  if (missing) {
    // The log may have had it, though writing failed.
    if (missing != smtp::errc::not_found || !operation.tried) operation.answer = missing;
    return;
  }
  const auto text = text_in_spool_record(found_);
  operation.size = text ? text->size : 0;
  operation.in_file = in_file_.contains(operation.id);
  require(batch_.Delete(record_key(operation.id)));
  // Written once and never again, so the two annihilate each other wherever they meet.
  if (!operation.in_file) require(batch_.SingleDelete(body_key(operation.id)));
  operation.written = operation.tried = true;
  going_.insert(operation.id);
}

// Where memory ran out in the middle of it nobody knows how much was written.
template <class Work>
rocksdb::Status try_to(Work work) noexcept {
  try {
    return work();
  } catch (...) {
    return rocksdb::Status::MemoryLimit();
  }
}

inline rocksdb::Status spool_engine::write_batch(bool sync) {
  return try_to([&] { return write_batch_unguarded(sync); });
}

inline rocksdb::Status spool_engine::write_batch_unguarded(bool sync) {
  const std::error_code injected = fault(spool_step::batch_write);
  if (injected == std::errc::no_space_on_device) return rocksdb::Status::NoSpace("injected");
  if (injected) return rocksdb::Status::IOError("injected");
  const auto begin = clock::now();
  const std::uint64_t operations = batch_.Count();
  const std::uint64_t octets = batch_.GetDataSize();
  rocksdb::Status status = store_.write(batch_, sync);
  const auto end = clock::now();
  space_.used(octets);
  if (status.ok() && sync) unsynced_since_.reset();
  if (status.ok() && !sync && !unsynced_since_) unsynced_since_ = end;
  const auto size_class =
      std::min<std::size_t>(std::bit_width(operations / 2), spool_stats::batch_classes - 1);
  count([&](spool_stats& s) {
    ++s.batches[size_class];
    if (sync) ++s.syncs;
    s.sync_time += end - begin;
  });
  return status;
}

inline void spool_engine::settle(operation_ptr& operation, std::error_code written) {
  if (!operation->answer) operation->answer = written;
  if (operation->answer) return fail(operation);
  operation->written = false;
  succeed(operation);
}

inline void spool_engine::succeed(operation_ptr& done) {
  using kind = spool_operation::kind;
  spool_operation& operation = *done;
  switch (operation.what) {
    case kind::commit:
      count([&](spool_stats& s) {
        ++s.commits;
        ++s.messages;
        s.octets += operation.size;
      });
      if (operation.finish({})) return;
      operation.become_removal();
      follow_ups_.push_back(std::move(done));
      return;
    case kind::update: count([](spool_stats& s) { ++s.updates; }); break;
    case kind::remove: removed(operation); break;
  }
  operation.finish({});
}

// make_room() has made it for what is kept.
inline void spool_engine::removed(spool_operation& operation) {
  count([&](spool_stats& s) {
    ++s.removals;
    --s.messages;
    s.octets -= operation.size;
  });
  if (!operation.in_file) return;
  in_file_.erase(operation.id);
  if (!unsynced_since_) return files_.remove(operation.id);
  unneeded_files_.push_back(std::move(operation.id));
}

inline void spool_engine::remove_unneeded_files() {
  for (const std::string& id : unneeded_files_) files_.remove(id);
  unneeded_files_.clear();
}

inline void spool_engine::fail(operation_ptr& operation) {
  using kind = spool_operation::kind;
  const bool was_written = std::exchange(operation->written, false);
  const bool may_pass =
      operation->answer == smtp::errc::spool_full || operation->answer == smtp::errc::spool_failed;
  if (!operation->wait && may_pass) {
    operation->answer.clear();
    retries_.push_back(std::move(operation));
    return;
  }
  if (operation->what == kind::commit && operation->in_file) {
    in_file_.erase(operation->id);
    if (!was_written) files_.remove(operation->id);
  }
  count([](spool_stats& s) { ++s.failures; });
  operation->finish(operation->answer);
  if (operation->what != kind::update && was_written) doubt(operation);
}

// Without its text, which nobody needs any more.
inline void spool_engine::doubt(operation_ptr& operation) {
  operation->record = {};
  operation->body = {};
  operation->held.release();
  doubtful_.push_back(std::move(operation));
}

inline void spool_engine::sync_if_due() {
  if (broken_ != 0 || !unsynced_since_) return;
  if (clock::now() - *unsynced_since_ < options_.lazy_sync) return;
  const rocksdb::Status status = try_to([this] { return store_.sync(); });
  if (!status.ok()) return break_down(status);
  unsynced_since_.reset();
  count([](spool_stats& s) { ++s.syncs; });
}

inline spool_engine::wake_up spool_engine::next_wake_up() const {
  std::optional<clock::time_point> when;
  if (broken_ != 0) {
    when = next_attempt_;
  } else if (unsynced_since_) {
    when = *unsynced_since_ + options_.lazy_sync;
  }
  if (!when) return std::nullopt;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*when - clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

// The last chance of lazy changes, when the thread has ended. What there is no memory for stays as
// it is in the log.
inline void spool_engine::finish() {
  try {
    finish_log();
  } catch (...) {
  }
}

inline void spool_engine::finish_log() {
  std::vector<operation_ptr> nothing;
  next_attempt_ = {};
  if (!retries_.empty() || !doubtful_.empty()) run_log(nothing);
  if (broken_ == 0 && unsynced_since_ && store_.sync().ok()) unsynced_since_.reset();
  if (broken_ == 0 && !unsynced_since_) remove_unneeded_files();
  // Until something follows it in the log, a damage of the last batch looks like a torn end.
  const bool changed = stats_.commits + stats_.updates + stats_.removals > 0;
  if (broken_ == 0 && changed && !unsynced_since_) {
    begin_batch();
    require(batch_.Put(slice_of(format_key), slice_of(format_value)));
    store_.write(batch_, true);
  }
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_SPOOL_LOG_HPP
