#include "examples/border_mta/reader.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <tuple>
#include <utility>

#include "examples/border_mta/values.hpp"

namespace border_mta {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

// What a node holds, for people.
std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "a text";
    case toml::node_type::integer: return "a number";
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
  }
}

std::string join(const std::string& table, std::string_view key) {
  return table.empty() ? std::string(key) : table + '.' + std::string(key);
}

bool has_control(std::string_view text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  return std::any_of(text.begin(), text.end(), control);
}

std::string list_of(const std::vector<std::string_view>& words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) list += i + 1 == words.size() ? " or " : ", ";
    list += in_quotes(words[i]);
  }
  return list;
}

std::string shown(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

template <class T, class Write>
std::string bounds(const range<T>& allowed, Write write) {
  std::string text = "from " + write(allowed.least) + " to " + write(allowed.most);
  if (allowed.or_none) text += ", or " + write(T{}) + " for no limit";
  return text;
}

template <class T>
bool is_within(const T& value, const range<T>& allowed) {
  return (value >= allowed.least && value <= allowed.most) || (allowed.or_none && value == T{});
}

}  // namespace

std::string config_error::text() const {
  std::string line_text = file;
  if (line != 0) line_text += ':' + std::to_string(line) + ':' + std::to_string(column);
  line_text += ": ";
  if (!key.empty()) line_text += key + ": ";
  line_text += what;
  if (!remedy.empty()) line_text += "; " + remedy;
  return line_text;
}

struct read_fields::document {
  toml::table root;
  bool parsed = false;

  // Looks `key` up in the table that is visited, and remembers that it was asked for.
  static const toml::node* ask(read_fields& r, std::string_view key);
};

// A table that is visited; it need not be there.
struct read_fields::frame {
  std::string name;
  std::string name_with_indices;
  const toml::table* table = nullptr;
  std::vector<std::string> asked;

  const toml::node* find(std::string_view key) const {
    return table == nullptr ? nullptr : table->get(key);
  }
};

read_fields::read_fields(std::string_view toml, std::string file, std::string base)
    : document_(std::make_unique<document>()), file_(std::move(file)), base_(std::move(base)) {
  try {
    document_->root = toml::parse(toml, file_);
    document_->parsed = true;
  } catch (const toml::parse_error& e) {
    errors_.push_back({file_, e.source().begin.line, e.source().begin.column, "",
                       std::string(e.description()),
                       "this is not TOML, https://toml.io tells how it is written", ""});
  }
  frames_.push_back({"", "", &document_->root, {}});
}

read_fields::~read_fields() = default;

bool read_fields::parsed() const { return document_->parsed; }

std::vector<config_error> read_fields::errors() {
  if (frames_.size() == 1 && parsed()) leave();
  std::stable_sort(errors_.begin(), errors_.end(),
                   [](const config_error& a, const config_error& b) {
                     return std::tie(a.line, a.column) < std::tie(b.line, b.column);
                   });
  return errors_;
}

std::string read_fields::full_name(std::string_view key) const {
  return join(frames_.back().name, key);
}

void read_fields::reject(std::string_view key, std::string what, std::string remedy) {
  const frame& f = frames_.back();
  const toml::node* node = f.find(key);
  // Where the table itself is absent, the error is about the whole file.
  if (node == nullptr) node = f.table;
  const toml::source_position at =
      node == nullptr || node == &document_->root ? toml::source_position{} : node->source().begin;
  errors_.push_back({file_, at.line, at.column, full_name(key), std::move(what), std::move(remedy),
                     join(frames_.back().name_with_indices, key)});
}

void read_fields::reject_item(std::string_view key, std::size_t index, std::string what,
                              std::string remedy) {
  reject(key, std::move(what), std::move(remedy));
  const toml::node* list = frames_.back().find(key);
  if (list == nullptr || !list->is_array() || index >= list->as_array()->size()) return;
  const toml::source_position at = (*list->as_array())[index].source().begin;
  errors_.back().name += '[' + std::to_string(index) + ']';
  errors_.back().line = at.line;
  errors_.back().column = at.column;
}

void read_fields::unused(std::string_view key, std::string why, std::string remedy) {
  if (!has(key)) return;
  frames_.back().asked.emplace_back(key);
  reject(key, std::move(why), std::move(remedy));
}

bool read_fields::has(std::string_view key) { return frames_.back().find(key) != nullptr; }

// --- Values
// ----------------------------------------------------------------------------------------

const toml::node* read_fields::document::ask(read_fields& r, std::string_view key) {
  frame& f = r.frames_.back();
  f.asked.emplace_back(key);
  const toml::node* node = f.find(key);
  if (node == nullptr) {
    r.absent_.push_back(r.full_name(key));
  } else {
    const toml::source_position at = node->source().begin;
    r.places_[join(f.name_with_indices, key)] = {at.line, at.column};
  }
  return node;
}

void read_fields::flag(std::string_view key, bool& value) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return;
  if (const auto* given = node->as_boolean())
    value = given->get();
  else
    reject(key, std::string(kind_of(*node)) + " stands here", "write true or false");
}

void read_fields::text(std::string_view key, std::string& value) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return;
  const auto* given = node->as_string();
  if (given == nullptr)
    return reject(key, std::string(kind_of(*node)) + " stands here", "write a text in quotes");
  if (has_control(given->get()))
    return reject(key, "there is a control character in it", "write one line of plain text");
  value = given->get();
}

void read_fields::path(std::string_view key, std::string& value) {
  const bool given = has(key);
  text(key, value);
  if (!given || value.empty()) return;
  if (value.front() != '/' && !base_.empty())
    value = (std::filesystem::path(base_) / value).lexically_normal().string();
  // "spool/" is "spool": what is beside it has to be found.
  while (value.size() > 1 && value.ends_with('/')) value.pop_back();
}

void read_fields::texts(std::string_view key, std::vector<std::string>& value) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return;
  const toml::array* given = node->as_array();
  if (given == nullptr ||
      !std::all_of(given->begin(), given->end(), [](const toml::node& n) { return n.is_string(); }))
    return reject(key, "this is no list of texts", "write for example [\"one\", \"two\"]");
  value.clear();
  for (std::size_t i = 0; i < given->size(); ++i) {
    value.push_back((*given)[i].as_string()->get());
    const toml::source_position at = (*given)[i].source().begin;
    const std::string place = join(frames_.back().name_with_indices, key);
    places_[place + '[' + std::to_string(i) + ']'] = {at.line, at.column};
    if (has_control(value.back()))
      reject_item(key, i, "there is a control character in it", "write one line of plain text");
  }
}

void read_fields::networks(std::string_view key, gatepost::smtp::network_set& value) {
  std::vector<std::string> given;
  const std::size_t errors_before = errors_.size();
  const bool there = has(key);
  texts(key, given);
  if (!there || errors_.size() != errors_before) return;
  value = {};
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto network = gatepost::smtp::parse_ip_network(given[i]);
    if (network)
      value.add(*network);
    else
      reject_item(key, i, in_quotes(given[i]) + " is no network",
                  "write an address or ADDRESS/BITS with no bit set behind the prefix, such as "
                  "\"192.0.2.0/24\" or \"2001:db8::/32\"");
  }
}

void read_fields::real(std::string_view key, double& value, range<double> allowed) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return;
  const auto given = node->value<double>();
  const std::string remedy = "write a number " + bounds(allowed, shown);
  if (!given || !(node->is_number()))
    reject(key, std::string(kind_of(*node)) + " stands here", remedy);
  else if (!std::isfinite(*given) || !is_within(*given, allowed))
    reject(key, shown(*given) + " is out of range", remedy);
  else
    value = *given;
}

void read_fields::real(std::string_view key, std::optional<double>& value, range<double> allowed) {
  double given = value.value_or(0);
  const bool there = has(key);
  real(key, given, allowed);
  if (there) value = given;
}

std::uint64_t read_fields::whole(std::string_view key, std::uint64_t now,
                                 range<std::uint64_t> allowed) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return now;
  const std::string remedy =
      "write a whole number " + bounds(allowed, [](std::uint64_t n) { return std::to_string(n); });
  const auto* given = node->as_integer();
  if (given == nullptr) {
    reject(key, std::string(kind_of(*node)) + " stands here", remedy);
    return now;
  }
  const auto number = static_cast<std::uint64_t>(given->get());
  if (given->get() < 0 || !is_within(number, allowed)) {
    reject(key, std::to_string(given->get()) + " is out of range", remedy);
    return now;
  }
  return number;
}

std::uint64_t read_fields::size(std::string_view key, std::uint64_t now,
                                range<std::uint64_t> allowed) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return now;
  const std::string remedy = "write a size in octets, or as \"64 KiB\", " +
                             bounds(allowed, [](std::uint64_t n) { return write_octets(n); });
  std::optional<std::uint64_t> number;
  if (const auto* plain = node->as_integer(); plain != nullptr && plain->get() >= 0)
    number = static_cast<std::uint64_t>(plain->get());
  else if (const auto* with_unit = node->as_string())
    number = parse_octets(with_unit->get());
  if (!number) {
    reject(key, "this is no size", remedy);
    return now;
  }
  if (!is_within(*number, allowed)) {
    reject(key, write_octets(*number) + " is out of range", remedy);
    return now;
  }
  return *number;
}

milliseconds read_fields::time(std::string_view key, milliseconds now,
                               range<milliseconds> allowed) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return now;
  const std::string remedy =
      "write a time with its unit (ms, s, m, h or d), " +
      bounds(allowed, [](milliseconds t) { return in_quotes(write_wait(t)); });
  const auto* given = node->as_string();
  const auto parsed = given == nullptr ? std::nullopt : parse_wait(given->get());
  if (!parsed) {
    reject(key, "this is no time", remedy);
    return now;
  }
  if (!is_within(*parsed, allowed)) {
    reject(key, in_quotes(given->get()) + " is out of range", remedy);
    return now;
  }
  return *parsed;
}

std::size_t read_fields::one_of(std::string_view key, std::size_t now,
                                const std::vector<std::string_view>& words) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return now;
  const auto* given = node->as_string();
  if (given == nullptr) {
    reject(key, std::string(kind_of(*node)) + " stands here", "write " + list_of(words));
    return now;
  }
  const auto found = std::find(words.begin(), words.end(), given->get());
  if (found == words.end()) {
    reject(key, in_quotes(given->get()) + " is unknown", "write " + list_of(words));
    return now;
  }
  return static_cast<std::size_t>(found - words.begin());
}

// --- Structure
// -------------------------------------------------------------------------------------

void read_fields::enter(std::string_view key) {
  const toml::node* node = document::ask(*this, key);
  const toml::table* table = node == nullptr ? nullptr : node->as_table();
  if (node != nullptr && table == nullptr)
    reject(key, std::string(kind_of(*node)) + " stands here",
           "write a table: [" + full_name(key) + "], and the keys below it");
  frames_.push_back({full_name(key), join(frames_.back().name_with_indices, key), table, {}});
}

std::optional<std::size_t> read_fields::items(std::string_view key, std::size_t) {
  const toml::node* node = document::ask(*this, key);
  if (node == nullptr) return std::nullopt;
  const toml::array* list = node->as_array();
  const auto is_table = [](const toml::node& n) { return n.is_table(); };
  if (list == nullptr || !std::all_of(list->begin(), list->end(), is_table)) {
    reject(key, "this is no list of tables",
           "write [[" + full_name(key) + "]] before each, or [{ ... }, { ... }]");
    return std::nullopt;
  }
  return list->size();
}

void read_fields::enter_item(std::string_view key, std::size_t index) {
  const toml::node* node = frames_.back().find(key);
  const toml::array* list = node == nullptr ? nullptr : node->as_array();
  const toml::table* table =
      list == nullptr || index >= list->size() ? nullptr : (*list)[index].as_table();
  const std::string name = join(frames_.back().name_with_indices, key);
  frames_.push_back({full_name(key), name + '[' + std::to_string(index) + ']', table, {}});
}

// Whatever nobody asked for is a mistake: a key misspelt would otherwise have no effect at all.
void read_fields::leave() {
  const frame& f = frames_.back();
  if (f.table != nullptr) {
    std::vector<std::string_view> known(f.asked.begin(), f.asked.end());
    for (const auto& [key, node] : *f.table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      const auto meant = nearest(key.str(), known);
      const toml::source_position at = key.source().begin;
      errors_.push_back({file_, at.line, at.column, full_name(key.str()),
                         node.is_table() ? "there is no such table" : "there is no such key",
                         meant ? "did you mean " + in_quotes(*meant) + "?"
                               : "see border_mta.toml for all that there are",
                         join(f.name_with_indices, key.str())});
    }
  }
  if (frames_.size() > 1) frames_.pop_back();
}

}  // namespace border_mta
