#include "examples/border_mta/report_letter.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "checks/dmarc/report_xml.hpp"
#include "smtp/address.hpp"
#include "smtp/detail/whole_file.hpp"

namespace border_mta {

namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

// The mailboxes that may have a report of that size, each once, as a To field has them.
std::string list_of(const dmarc::destinations& to, std::size_t octets) {
  std::vector<smtp::address> all;
  std::string list;
  for (const dmarc::report_uri& uri : to.verified(octets)) {
    const auto box = smtp::parse_mailbox(uri.address);
    if (!box) continue;
    const smtp::address one(*box);
    if (std::find(all.begin(), all.end(), one) != all.end()) continue;
    list += (list.empty() ? "" : ", ") + one.text();
    all.push_back(one);
  }
  return list;
}

// The Report-ID as the name of a file; POSIX allows 255 octets, and hidden ones have seven more.
// FNV-1a tells those apart whose end is cut off.
std::string file_name(std::string id) {
  constexpr std::size_t most = 200;
  std::uint64_t hash = 14695981039346656037ull;
  for (char& c : id) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_' || c == '@';
    if (!plain) c = '_';
  }
  if (id.size() > most) id = id.substr(0, most) + '-' + std::to_string(hash);
  return id + report_ending;
}

}  // namespace

letter write_letter(const dmarc::report& r, const dmarc::destinations& to,
                    const reports_section& from, const letter_signer& sign) {
  const dmarc::report_sender& us = from.sender;
  letter mail;
  mail.file = from.directory + '/' + file_name(dmarc::report_id(r, us));
  const auto packed = dmarc::gzip(dmarc::write_report_xml(r, us));
  if (!packed) {
    mail.error = std::make_error_code(std::errc::not_enough_memory);
    return mail;
  }
  // RFC 7489 §7.2.1: a size limit is about what is compressed and encoded.
  mail.to = list_of(to, dmarc::encoded_octets(*packed));
  if (mail.to.empty()) return mail;
  const auto now = std::chrono::system_clock::now();
  std::string text = dmarc::write_report_message(r, us, mail.to, *packed, now);
  if (sign) text = sign(us.domain, std::move(text));
  smtp::detail::whole_file file(mail.file, 0640);
  file.write(text);
  mail.error = file.keep();
  return mail;
}

bool is_of_one_file(std::error_code error) {
  return error == std::errc::filename_too_long || error == std::errc::is_a_directory ||
         error == std::errc::invalid_argument ||
         error == std::errc::too_many_symbolic_link_levels ||
         error == std::errc::operation_not_permitted || error == std::errc::not_enough_memory;
}

// As whole_file.hpp names them. One that cannot be removed harms nobody.
void remove_leftovers(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> left;
  const std::string last = report_ending + std::string(".new");
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    if (name.starts_with('.') && name.ends_with(last)) left.push_back(at->path());
  }
  for (const std::filesystem::path& file : left) std::filesystem::remove(file, error);
}

}  // namespace border_mta
