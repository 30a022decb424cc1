// A small, strict JSON reader for test data (RFC 8259).
//
// parse_json() answers with a tree of values, or throws json_error saying where and why. Strict: no
// comments, no trailing commas, no duplicate names, nothing after the value. \uXXXX becomes UTF-8;
// a surrogate that has no partner becomes its own three octets (which is not UTF-8), so that test
// data can hold bad text. Objects keep the order of the file. Not for production: it trusts sizes
// and recurses (to max_json_depth).
#ifndef GATEPOST_TESTS_SUPPORT_JSON_HPP
#define GATEPOST_TESTS_SUPPORT_JSON_HPP

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gatepost::tests {

// Deep enough for any test data, shallow enough for the stack.
inline constexpr int max_json_depth = 128;

struct json_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One value. The accessors without a default throw json_error where the value is of another kind.
class json {
 public:
  using array_type = std::vector<json>;
  using member = std::pair<std::string, json>;
  using object_type = std::vector<member>;

  json() = default;  // null
  explicit json(bool value) : value_(value) {}
  explicit json(double value) : value_(value) {}
  explicit json(std::string value) : value_(std::move(value)) {}
  explicit json(array_type value) : value_(std::move(value)) {}
  explicit json(object_type value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_number() const { return std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<array_type>(value_); }
  bool is_object() const { return std::holds_alternative<object_type>(value_); }

  bool boolean() const { return as<bool>("true or false"); }
  double number() const { return as<double>("a number"); }
  // The number as an integer (exact to 2^53).
  std::int64_t integer() const { return static_cast<std::int64_t>(number()); }
  const std::string& string() const { return as<std::string>("a string"); }
  const array_type& array() const { return as<array_type>("an array"); }
  const object_type& object() const { return as<object_type>("an object"); }

  // The member of that name, or nullptr; nullptr too where this is not an object.
  const json* find(std::string_view name) const {
    const auto* members = std::get_if<object_type>(&value_);
    if (members == nullptr) return nullptr;
    for (const auto& [key, value] : *members) {
      if (key == name) return &value;
    }
    return nullptr;
  }
  bool contains(std::string_view name) const { return find(name) != nullptr; }

  // The member of that name; throws json_error where there is none.
  const json& operator[](std::string_view name) const {
    const auto* found = find(name);
    if (found == nullptr) throw json_error("JSON: no member \"" + std::string(name) + "\"");
    return *found;
  }
  // The element at that index; throws json_error where there is none.
  template <std::integral Index>
  const json& operator[](Index index) const {
    const auto& elements = array();
    if (!std::in_range<std::size_t>(index) || static_cast<std::size_t>(index) >= elements.size()) {
      throw json_error("JSON: no element " + std::to_string(index));
    }
    return elements[index];
  }

  // How many elements or members; 0 for everything else.
  std::size_t size() const {
    if (is_array()) return array().size();
    return is_object() ? object().size() : 0;
  }

  // The member's text, or `otherwise` where it is absent or null.
  std::string string_or(std::string_view name, std::string_view otherwise) const {
    const auto* found = find(name);
    return found == nullptr || found->is_null() ? std::string(otherwise) : found->string();
  }
  // The member's truth, or `otherwise` where it is absent or null.
  bool boolean_or(std::string_view name, bool otherwise) const {
    const auto* found = find(name);
    return found == nullptr || found->is_null() ? otherwise : found->boolean();
  }

 private:
  template <class T>
  const T& as(const char* wanted) const {
    if (const auto* value = std::get_if<T>(&value_)) return *value;
    throw json_error(std::string("JSON: expected ") + wanted);
  }

  std::variant<std::monostate, bool, double, std::string, array_type, object_type> value_;
};

// Appends the UTF-8 (or, for a surrogate, its three octets) of one code point.
inline void append_utf8(std::string& out, char32_t c) {
  const auto octet = [&out](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (c < 0x80) return octet(c);
  if (c < 0x800) {
    octet(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      octet(0xE0 | (c >> 12));
    } else {
      octet(0xF0 | (c >> 18));
      octet(0x80 | ((c >> 12) & 0x3F));
    }
    octet(0x80 | ((c >> 6) & 0x3F));
  }
  octet(0x80 | (c & 0x3F));
}

namespace detail {

class json_reader {
 public:
  explicit json_reader(std::string_view text) : text_(text) {}

  json whole() {
    json value = this->value(0);
    skip_space();
    if (at_ != text_.size()) fail("something follows the value");
    return value;
  }

 private:
  json value(int depth) {
    if (depth > max_json_depth) fail("nested too deeply");
    skip_space();
    switch (peek()) {
      case '{': return object(depth);
      case '[': return array(depth);
      case '"': return json(string());
      case 't': return word("true", json(true));
      case 'f': return word("false", json(false));
      case 'n': return word("null", json());
      default: return json(number());
    }
  }

  json object(int depth) {
    json::object_type members;
    ++at_;
    skip_space();
    if (take('}')) return json(std::move(members));
    do {
      skip_space();
      if (peek() != '"') fail("a name was expected");
      std::string name = string();
      for (const auto& [key, ignored] : members) {
        if (key == name) fail("the name \"" + name + "\" is given twice");
      }
      skip_space();
      require(':');
      members.emplace_back(std::move(name), value(depth + 1));
      skip_space();
    } while (take(','));
    require('}');
    return json(std::move(members));
  }

  json array(int depth) {
    json::array_type elements;
    ++at_;
    skip_space();
    if (take(']')) return json(std::move(elements));
    do {
      elements.push_back(value(depth + 1));
      skip_space();
    } while (take(','));
    require(']');
    return json(std::move(elements));
  }

  std::string string() {
    std::string out;
    ++at_;
    for (;;) {
      if (at_ == text_.size()) fail("a string is not closed");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c == '\\') {
        escape(out);
      } else {
        out.push_back(c);
      }
    }
  }

  void escape(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char c = peek();
    ++at_;
    if (c == 'u') return append_utf8(out, escaped_code_point());
    const auto which = letters.find(c);
    if (which == std::string_view::npos) fail("unknown escape");
    out.push_back(meanings[which]);
  }

  char32_t escaped_code_point() {
    const char32_t high = hex4();
    if (high < 0xD800 || high > 0xDBFF || text_.substr(at_, 2) != "\\u") return high;
    const std::size_t before = at_;
    at_ += 2;
    const char32_t low = hex4();
    if (low >= 0xDC00 && low <= 0xDFFF) {
      return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    at_ = before;
    return high;
  }

  char32_t hex4() {
    const std::string_view digits = text_.substr(at_, 4);
    std::uint32_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4) {
      fail("\\u needs four hexadecimal digits");
    }
    at_ += 4;
    return value;
  }

  double number() {
    const std::size_t begin = at_;
    take('-');
    if (!take('0')) digits();
    if (take('.')) digits();
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      digits();
    }
    double value = 0;
    std::from_chars(text_.data() + begin, text_.data() + at_, value);
    return value;
  }

  void digits() {
    if (peek() < '0' || peek() > '9') fail("a value was expected");
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
  }

  json word(std::string_view expected, json value) {
    if (text_.substr(at_, expected.size()) != expected) fail("a value was expected");
    at_ += expected.size();
    return value;
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  char peek() const {
    if (at_ == text_.size()) fail("the text ends too early");
    return text_[at_];
  }

  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void require(char c) {
    if (!take(c)) fail(std::string("'") + c + "' was expected");
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw json_error("JSON: " + why + " at octet " + std::to_string(at_));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail

// The tree of a whole JSON text. Throws json_error.
inline json parse_json(std::string_view text) { return detail::json_reader(text).whole(); }

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_JSON_HPP
