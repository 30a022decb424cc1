// Reports as octets: numbers of eight octets, low one first; texts with their length before them.
#ifndef GATEPOST_CHECKS_DMARC_DETAIL_REPORT_CODEC_HPP
#define GATEPOST_CHECKS_DMARC_DETAIL_REPORT_CODEC_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/dmarc/report.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::dmarc::detail {

// What all versions begin with, and this one.
inline constexpr std::string_view report_magic_of_all = "gatepost dmarc reports ";
inline constexpr std::string_view report_magic = "gatepost dmarc reports 2\n";

struct period {
  std::chrono::sys_seconds begin;
  std::chrono::sys_seconds end;
};

// Of one octet.
inline constexpr unsigned bad_policy_bit = 1, bad_np_bit = 2;

class report_encoder {
 public:
  void number(std::uint64_t n) {
    for (int i = 0; i < 8; ++i) out_ += static_cast<char>(n >> (8 * i) & 255);
  }
  void text(std::string_view s) {
    number(s.size());
    out_ += s;
  }
  template <class E>
  void choice(E e) {
    out_ += static_cast<char>(e);
  }
  template <class T, class Each>
  void list(const std::vector<T>& all, Each each) {
    number(all.size());
    for (const T& one : all) each(one);
  }

  // Begins a text, which end() ends; between the two are reports.
  void begin() { text(report_magic); }
  void end() { choice(0); }

  // The report; that many rows follow it.
  void put_head(const report_policy& policy, const period& when, std::uint64_t dropped,
                std::size_t rows) {
    choice(1);
    put(policy);
    number(static_cast<std::uint64_t>(when.begin.time_since_epoch().count()));
    number(static_cast<std::uint64_t>(when.end.time_since_epoch().count()));
    number(dropped);
    number(rows);
  }
  void put(const counted_row& row) {
    number(row.count);
    put(row.row);
  }
  void put(const report& r) {
    put_head(r.policy, {r.begin, r.end}, r.dropped, r.rows.size());
    for (const counted_row& row : r.rows) put(row);
  }

  std::size_t size() const { return out_.size(); }
  std::string take() { return std::exchange(out_, {}); }

 private:
  void put(const report_policy& p) {
    text(p.domain);
    text(p.organization);
    choice(p.regime);
    const dmarc::record& r = p.published;
    for (const auto& tag : {r.p, r.sp, r.np}) choice(tag ? static_cast<int>(*tag) + 1 : 0);
    choice((r.bad_policy ? bad_policy_bit : 0) | (r.bad_np ? bad_np_bit : 0));
    choice(r.psd);
    choice(r.testing);
    choice(r.adkim);
    choice(r.aspf);
    for (const bool flag : {r.fo.all_fail, r.fo.any_fails, r.fo.dkim, r.fo.spf}) choice(flag);
    text(r.fo_text);
    for (const auto* uris : {&r.rua, &r.ruf}) {
      list(*uris, [this](const report_uri& uri) {
        text(uri.uri);
        text(uri.address);
        number(uri.max_octets);
      });
    }
    number(r.pct);
    number(r.ri);
    list(r.problems, [this](const std::string& problem) { text(problem); });
  }

  void put(const report_row& row) {
    text(row.source.text());
    choice(row.passed);
    choice(row.disposition);
    choice(row.dkim_aligned);
    choice(row.spf_aligned);
    list(row.reasons, [this](const override_reason& reason) {
      choice(reason.type);
      text(reason.comment);
    });
    text(row.header_from);
    text(row.envelope_from);
    list(row.dkim, [this](const authenticated_dkim& s) {
      text(s.domain);
      text(s.selector);
      choice(s.result);
    });
    choice(row.spf.has_value());
    if (!row.spf) return;
    text(row.spf->domain);
    choice(row.spf->result);
  }

  std::string out_;
};

// Once something is wrong, all that is read is empty and good() stays false.
class report_decoder {
 public:
  explicit report_decoder(std::string_view text) : in_(text) {
    good_ = this->text() == report_magic;
  }

  bool good() const { return good_; }
  bool at_end() const { return in_.empty(); }

  std::uint64_t number() {
    const std::string_view octets = take(8);
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < octets.size(); ++i)
      n |= static_cast<std::uint64_t>(static_cast<unsigned char>(octets[i])) << (8 * i);
    return n;
  }
  std::string text() {
    const std::uint64_t size = number();
    if (size > in_.size()) good_ = false;
    return std::string(take(good_ ? static_cast<std::size_t>(size) : 0));
  }
  template <class E>
  E choice(E last) {
    const std::string_view octet = take(1);
    const auto n = octet.empty() ? 0u : static_cast<unsigned char>(octet.front());
    if (n > static_cast<unsigned>(last)) good_ = false;
    return good_ ? static_cast<E>(n) : E{};
  }
  bool flag() { return choice(1u) != 0; }
  // Every element has an octet at least, so a wrong count cannot take memory.
  template <class T, class Each>
  void list(std::vector<T>& into, std::size_t most, Each each) {
    const std::uint64_t n = number();
    if (n > most || n > in_.size()) good_ = false;
    if (!good_) return;
    into.reserve(std::min(static_cast<std::size_t>(n), max_report_signatures));
    for (std::uint64_t i = 0; i < n && good_; ++i) into.push_back(each());
  }

  report read_report() {
    report r;
    r.policy = read_policy();
    r.begin = std::chrono::sys_seconds(std::chrono::seconds(number() & max_time));
    r.end = std::chrono::sys_seconds(std::chrono::seconds(number() & max_time));
    r.dropped = number();
    list(r.rows, in_.size(), [&] {
      counted_row row;
      row.count = number();
      row.row = read_row();
      return row;
    });
    return r;
  }

 private:
  static constexpr std::uint64_t max_time = 0xffffffffffull;  // the year 36812

  std::string_view take(std::size_t n) {
    if (n > in_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view out = in_.substr(0, n);
    in_.remove_prefix(n);
    return out;
  }

  std::optional<policy> read_tag() {
    const auto n = choice(3u);
    if (n == 0) return std::nullopt;
    return static_cast<policy>(n - 1);
  }

  report_policy read_policy() {
    report_policy p;
    p.domain = text();
    p.organization = text();
    p.regime = choice(regime::rfc7489);
    dmarc::record& r = p.published;
    for (auto* tag : {&r.p, &r.sp, &r.np}) *tag = read_tag();
    const auto bad = choice(bad_policy_bit | bad_np_bit);
    r.bad_policy = (bad & bad_policy_bit) != 0;
    r.bad_np = (bad & bad_np_bit) != 0;
    r.psd = choice(psd_flag::yes);
    r.testing = flag();
    r.adkim = choice(alignment_mode::strict);
    r.aspf = choice(alignment_mode::strict);
    for (bool* one : {&r.fo.all_fail, &r.fo.any_fails, &r.fo.dkim, &r.fo.spf}) *one = flag();
    r.fo_text = text();
    for (auto* uris : {&r.rua, &r.ruf}) {
      list(*uris, max_report_uris, [&] {
        report_uri uri;
        uri.uri = text();
        uri.address = text();
        uri.max_octets = number();
        return uri;
      });
    }
    r.pct = static_cast<unsigned>(number());
    r.ri = static_cast<std::uint32_t>(number());
    list(r.problems, max_record_problems, [&] { return text(); });
    return p;
  }

  report_row read_row() {
    report_row row;
    const auto source = smtp::parse_ip_address(text());
    if (!source) good_ = false;
    if (source) row.source = *source;
    row.passed = flag();
    row.disposition = choice(policy::reject);
    row.dkim_aligned = flag();
    row.spf_aligned = flag();
    list(row.reasons, max_reasons, [&] {
      override_reason reason;
      reason.type = choice(override_type::other);
      reason.comment = text();
      return reason;
    });
    row.header_from = text();
    row.envelope_from = text();
    list(row.dkim, max_report_signatures, [&] {
      authenticated_dkim s;
      s.domain = text();
      s.selector = text();
      s.result = choice(auth_result::permerror);
      return s;
    });
    if (!flag()) return row;
    row.spf.emplace();
    row.spf->domain = text();
    row.spf->result = choice(auth_result::permerror);
    return row;
  }

  // Of one row; a check gives one or two, and a program's own may give more.
  static constexpr std::size_t max_reasons = 1000;

  std::string_view in_;
  bool good_ = true;
};

}  // namespace gatepost::checks::dmarc::detail

#endif  // GATEPOST_CHECKS_DMARC_DETAIL_REPORT_CODEC_HPP
