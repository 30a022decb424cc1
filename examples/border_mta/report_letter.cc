#include "examples/border_mta/report_letter.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "checks/dmarc/report_xml.hpp"
#include "smtp/address.hpp"
#include "smtp/detail/whole_file.hpp"

namespace border_mta {

namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

// The mailbox in ASCII, its domain in A-labels. Nothing: its local part is not ASCII.
std::optional<smtp::address> ascii_mailbox(const std::string& text) {
  const auto box = smtp::parse_mailbox(text, {.utf8 = smtp::utf8_policy::smtputf8});
  if (!box) return std::nullopt;
  const smtp::address one(*box);
  if (!box->utf8) return one;
  const std::string plain = std::string(one.local_part()) + '@' + one.canonical_domain();
  const auto again = smtp::parse_mailbox(plain);
  if (!again) return std::nullopt;
  return smtp::address(*again);
}

// The mailboxes that may have a report of that size, each once, as a To field has them. One in
// UTF-8 would have to be carried by SMTPUTF8 (RFC 6532 §3.2), and by all who get the same message.
void address_to(const std::vector<dmarc::report_uri>& uris, letter& mail) {
  std::vector<smtp::address> all;
  for (const dmarc::report_uri& uri : uris) {
    const auto one = ascii_mailbox(uri.address);
    if (!one) mail.left_out.push_back(uri.address);
    if (!one || std::find(all.begin(), all.end(), *one) != all.end()) continue;
    mail.to += (mail.to.empty() ? "" : ", ") + one->text();
    all.push_back(*one);
  }
}

// What may be of one file alone: a name that is taken by a folder, for instance. What else it may
// be of is found out by another file.
bool may_be_of_one_file(std::error_code error) {
  return error == std::errc::filename_too_long || error == std::errc::is_a_directory ||
         error == std::errc::invalid_argument ||
         error == std::errc::too_many_symbolic_link_levels ||
         error == std::errc::operation_not_permitted || error == std::errc::not_enough_memory;
}

bool takes_files(const std::string& folder) {
  return !smtp::detail::whole_file(folder + "/try" + report_ending).error();
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

// Signs what is addressed, and puts it on the disk.
void keep(letter& mail, std::string text, const reports_section& from, const letter_signer& sign) {
  if (sign) text = sign(from.sender.domain, std::move(text));
  smtp::detail::whole_file file(mail.file, 0640);
  file.write(text);
  mail.error = file.keep();
  mail.of_one_file = may_be_of_one_file(mail.error) && takes_files(from.directory);
}

}  // namespace

dmarc::report_sender sender_of(const reports_section& from) {
  dmarc::report_sender us = from.sender;
  us.domain = smtp::address(*smtp::parse_mailbox(us.email)).canonical_domain();
  if (us.organization.empty()) us.organization = us.domain;
  return us;
}

letter write_letter(const dmarc::report& r, const dmarc::destinations& to,
                    const reports_section& from, const letter_signer& sign) {
  const dmarc::report_sender& us = from.sender;
  letter mail;
  mail.file = from.directory + '/' + file_name(dmarc::report_id(r, us));
  const auto packed = dmarc::gzip(dmarc::write_report_xml(r, us));
  if (!packed) {
    mail.error = std::make_error_code(std::errc::not_enough_memory);
    mail.of_one_file = true;
    return mail;
  }
  // RFC 7489 §7.2.1: a size limit is about what is compressed and encoded.
  address_to(to.verified(dmarc::encoded_octets(*packed)), mail);
  if (mail.to.empty()) return mail;
  const auto now = std::chrono::system_clock::now();
  keep(mail, dmarc::write_report_message(r, us, mail.to, *packed, now), from, sign);
  return mail;
}

letter write_failure_letter(const dmarc::failed_message& m, const std::string& id,
                            const dmarc::destinations& to, const reports_section& from,
                            const letter_signer& sign) {
  letter mail;
  mail.file = from.directory + '/' + file_name(id);
  const auto now = std::chrono::system_clock::now();
  const auto addressed = [&] {
    return dmarc::write_failure_report(m, from.sender, mail.to, id, now);
  };
  // RFC 7489 §6.2: an address may bound the size of what is sent to it.
  address_to(to.verified(addressed().size()), mail);
  if (!mail.to.empty()) keep(mail, addressed(), from, sign);
  return mail;
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
