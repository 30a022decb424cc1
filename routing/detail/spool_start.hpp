// How spool_engine opens its directory: part of routing/detail/spool_engine.hpp.
#ifndef GATEPOST_ROUTING_DETAIL_SPOOL_START_HPP
#define GATEPOST_ROUTING_DETAIL_SPOOL_START_HPP

#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>

#include "routing/detail/spool_engine.hpp"

namespace gatepost::routing::detail {

inline std::error_code copy_durably(const std::filesystem::path& from,
                                    const std::filesystem::path& to) {
  std::error_code failed;
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, failed);
  if (failed) return failed;
  const descriptor copy(::open(to.c_str(), O_RDONLY | O_CLOEXEC));
  return copy ? sync_data(copy.number()) : last_error();
}

inline std::string spool_engine::start() {
  std::string problem = prepare_directory();
  if (problem.empty()) problem = open_store();
  if (problem.empty()) problem = check_format();
  if (problem.empty()) problem = count_messages();
  if (problem.empty()) problem = tidy_files();
  if (problem.empty() && new_) problem = write_format();
  if (problem.empty()) return problem;
  store_.close();
  return options_.directory + ": " + problem;
}

inline std::string spool_engine::prepare_directory() {
  const char* path = options_.directory.c_str();
  if (*path == '\0') return "no directory is given for the spool";
  if (::mkdir(path, 0700) != 0) {
    if (errno != EEXIST)
      return "cannot make the spool's directory: " + last_error().message() +
             "; make the one above it, for user " + std::to_string(::geteuid()) +
             ", or name another place";
  } else {
    // After a crash of the system, messages must be found where they were put.
    const descriptor parent = open_directory((options_.directory + "/..").c_str());
    if (!parent || sync_directory(parent.number())) {
      return "cannot sync the directory above it: " + last_error().message() +
             "; see to its permissions, or name another place";
    }
  }
  struct stat found{};
  if (::stat(path, &found) != 0) return last_error().message();
  std::string problem = check_access(found);
  if (!problem.empty()) return problem;
  lock_ = open_directory(path);
  if (!lock_)
    return "cannot open the spool's directory: " + last_error().message() +
           "; see to its permissions";
  if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? "another process has this spool open; stop it, or name another "
                                  "place: a spool is for one server"
                                : "cannot lock the spool's directory: " + last_error().message();
  }
  const std::error_code failed = files_.open(options_.directory + "/bodies");
  if (!failed) return {};
  return "cannot open bodies/: " + failed.message() + "; run: chown -R " +
         std::to_string(::geteuid()) + ' ' + options_.directory;
}

inline std::string spool_engine::check_access(const struct stat& found) const {
  const std::string me = std::to_string(::geteuid());
  if (!S_ISDIR(found.st_mode))
    return "is not a directory, and so no place for a spool; name another one, or move it away";
  if (::faccessat(AT_FDCWD, options_.directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    return "user " + me + " may not write here (" + last_error().message() + "); chown it to " + me;
  }
  if ((found.st_mode & 077) != 0) return "others may read or write mail here; chmod 700 it";
  return {};
}

inline std::string spool_engine::open_store() {
  rocksdb::Status status = store_.open();
  if (status.IsCorruption() && store_.log().damaged()) {
    if (!options_.repair) {
      return store_.place_of_damage() +
             ", and messages that were safe lie behind that; restore db/ from a backup, or have "
             "what "
             "can be read salvaged (border_mta --repair)";
    }
    std::string problem = keep_damaged_log();
    if (!problem.empty()) return problem;
    status = store_.open(true);
  }
  if (status.ok()) {
    report_torn_end();
    // The names db/ and bodies/ are in place now.
    const std::error_code failed = sync_directory(lock_.number());
    return failed ? "cannot sync it: " + failed.message() : std::string();
  }
  const std::string_view remedy =
      status.IsCorruption() ? "; restore db/ from a backup, or move it away to begin empty"
                            : "; see to permissions and free space of db/";
  return "cannot open the spool's database: " + status.ToString() + std::string(remedy);
}

// No harm was done, since nobody was promised what is missing; but nobody is to wonder.
inline void spool_engine::report_torn_end() const {
  if (!store_.log().unreadable() || store_.log().damaged()) return;
  report(store_.place_of_damage() +
         ": its end is torn, as a crash of the system leaves it; nothing that was safe is missing");
}

// Before the log is read back and removed: a copy of all of it, for whoever can make more of it.
// Behind the first damage there may be others.
inline std::string spool_engine::keep_damaged_log() {
  const std::string lost = options_.directory + "/lost";
  std::error_code failed;
  if (::mkdir(lost.c_str(), 0700) != 0 && errno != EEXIST) failed = last_error();
  std::filesystem::directory_iterator file;
  if (!failed) file = std::filesystem::directory_iterator(options_.directory + "/db", failed);
  for (; !failed && file != std::filesystem::directory_iterator(); file.increment(failed)) {
    if (file->path().extension() != ".log") continue;
    failed = copy_durably(file->path(), lost / file->path().filename());
    if (failed) break;
  }
  if (!failed) failed = sync_directory_at(lost);
  if (failed) return "cannot keep a copy of the damaged log in lost/: " + failed.message();
  report(store_.place_of_damage() +
         ": what can be read is salvaged; messages may be missing or come "
         "again, and a copy of the log is in lost/");
  return {};
}

// A database without a format is new.
inline std::string spool_engine::check_format() {
  std::string value;
  const rocksdb::Status status = store_.read(format_key, value);
  new_ = status.IsNotFound();
  if (new_) return {};
  if (!status.ok()) return "cannot use the spool's database: " + status.ToString();
  if (value == format_value) return {};
  return "the spool is of format " + value + ", which this version does not know; use a newer one";
}

// Last, so that a start that did not come to its end is made again as the first.
inline std::string spool_engine::write_format() {
  batch_.Clear();
  batch_.Put(slice_of(format_key), slice_of(format_value));
  const rocksdb::Status status = store_.write(batch_, true);
  return status.ok() ? std::string() : "cannot use the spool's database: " + status.ToString();
}

inline std::string spool_engine::count_messages() {
  // Records in memory at once: some hundred bytes each.
  constexpr std::size_t page = 1000;
  std::vector<rocksdb_store::record> found;
  std::string from(1, record_prefix);
  do {
    found.clear();
    const rocksdb::Status status = store_.scan(from, std::string(1, record_prefix), page, found);
    if (!status.ok()) return "cannot read the spool's database: " + status.ToString();
    for (const rocksdb_store::record& r : found) {
      const auto text = text_in_spool_record(r.value);
      ++stats_.messages;
      stats_.octets += text ? text->size : 0;
      ids_.seen(std::string_view(r.key).substr(1));
    }
    if (!found.empty()) from = found.back().key + '\0';
  } while (!found.empty());
  return {};
}

// Removes files that were never part of a message: those that were never finished, and those whose
// record a crash kept from being written, so that nobody was promised anything. Where some of the
// log cannot be read, or db/ was moved away, a record may have been lost instead: then the finished
// ones are set aside.
inline std::string spool_engine::tidy_files() {
  std::vector<std::string> names;
  const std::error_code failed = files_.list(names);
  if (failed) return "cannot read bodies/: " + failed.message();
  for (const std::string& name : names) {
    if (!is_spool_id(name)) {
      // Other files are nobody's business here.
      if (name.ends_with(unfinished_suffix)) files_.remove(name);
      continue;
    }
    std::string record;
    const rocksdb::Status status = store_.read(record_key(name), record);
    if (status.ok()) in_file_.insert(name);
    if (!status.ok() && !status.IsNotFound())
      return "cannot read the spool's database: " + status.ToString();
    if (!status.IsNotFound()) continue;
    if (!new_ && !store_.log().unreadable()) {
      files_.remove(name);
      continue;
    }
    std::string problem = set_aside(name);
    if (!problem.empty()) return problem;
  }
  return {};
}

inline std::string spool_engine::set_aside(const std::string& name) {
  const std::string lost = options_.directory + "/lost";
  std::error_code failed;
  if (::mkdir(lost.c_str(), 0700) != 0 && errno != EEXIST) failed = last_error();
  if (!failed) failed = files_.move(name, lost + "/" + name);
  if (failed) return "cannot move bodies/" + name + " to lost/: " + failed.message();
  report(options_.directory + ": bodies/" + name +
         " belongs to no message that is known, and is in lost/ now");
  return {};
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_SPOOL_START_HPP
