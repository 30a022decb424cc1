#include "examples/border_mta/writer.hpp"

#include <charconv>

#include "examples/border_mta/values.hpp"

namespace border_mta {

namespace {

// A TOML basic string; texts have no control characters (reader.cc).
std::string string_of(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ", ";
    out += string_of(text);
  }
  return out + ']';
}

std::string float_of(double number) {
  char digits[32];
  std::string out(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

}  // namespace

void write_fields::line(std::string_view key, std::string_view value) {
  if (!tables_.empty() && !tables_.back().announced) {
    table& t = tables_.back();
    t.announced = true;
    if (!toml_.empty()) toml_ += '\n';
    toml_ += t.item ? "[[" + t.name + "]]\n" : '[' + t.name + "]\n";
  }
  toml_.append(key).append(" = ").append(value) += '\n';
}

void write_fields::flag(std::string_view key, bool& value) { line(key, value ? "true" : "false"); }

void write_fields::text(std::string_view key, std::string& value) { line(key, string_of(value)); }

void write_fields::texts(std::string_view key, std::vector<std::string>& value) {
  line(key, list_of(value));
}

void write_fields::networks(std::string_view key, gatepost::smtp::network_set& value) {
  std::vector<std::string> texts;
  for (const auto& network : value.networks()) texts.push_back(network.text());
  line(key, list_of(texts));
}

void write_fields::real(std::string_view key, double& value, range<double>) {
  line(key, float_of(value));
}

void write_fields::real(std::string_view key, std::optional<double>& value, range<double>) {
  if (value) line(key, float_of(*value));
}

std::uint64_t write_fields::whole(std::string_view key, std::uint64_t now, range<std::uint64_t>) {
  line(key, std::to_string(now));
  return now;
}

std::uint64_t write_fields::size(std::string_view key, std::uint64_t now, range<std::uint64_t>) {
  line(key, now == 0 ? "0" : string_of(write_octets(now)));
  return now;
}

milliseconds write_fields::time(std::string_view key, milliseconds now, range<milliseconds>) {
  line(key, string_of(write_wait(now)));
  return now;
}

std::size_t write_fields::one_of(std::string_view key, std::size_t now,
                                 const std::vector<std::string_view>& words) {
  line(key, string_of(words[now]));
  return now;
}

void write_fields::enter(std::string_view key) {
  const std::string above = tables_.empty() ? "" : tables_.back().name + '.';
  tables_.push_back({above + std::string(key)});
}

void write_fields::enter_item(std::string_view key, std::size_t) {
  enter(key);
  tables_.back().item = true;
}

}  // namespace border_mta
