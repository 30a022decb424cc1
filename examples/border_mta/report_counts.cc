// The counts at the start.

#include <filesystem>
#include <string>
#include <system_error>

#include "examples/border_mta/report_letter.hpp"
#include "examples/border_mta/reports.hpp"

namespace border_mta {

std::string reporter::load() {
  remove_leftovers(settings_.directory);
  const std::string& file = settings_.file;
  const std::error_code wrong = store_.load(file);
  saved_ = store_.changes();
  if (!wrong || wrong == std::errc::no_such_file_or_directory) return {};
  if (wrong == std::errc::not_supported)
    return file +
           ": another version has written it; go on with that one, or move the file away and lose "
           "what was counted";
  if (wrong != std::errc::illegal_byte_sequence)
    return file + ": cannot be read: " + wrong.message() + "; see to its name and permissions";
  return put_aside();
}

// The counts, which are damaged.
std::string reporter::put_aside() {
  const std::string& file = settings_.file;
  std::string aside = file + ".damaged";
  std::error_code error;
  for (int n = 2; std::filesystem::exists(aside, error); ++n)
    aside = file + ".damaged." + std::to_string(n);
  std::filesystem::rename(file, aside, error);
  if (error)
    return file + ": is damaged, and cannot be moved to " + aside + ": " + error.message() +
           "; move it away";
  tell_error(file + ": is damaged; it was moved to " + aside +
             ". Its counts are lost, and we begin anew");
  return {};
}

}  // namespace border_mta
