// Writes one JSON object, on one line (RFC 8259). What is not UTF-8 becomes U+FFFD.
#ifndef GATEPOST_EXAMPLES_PROBE_JSON_HPP
#define GATEPOST_EXAMPLES_PROBE_JSON_HPP

#include <concepts>
#include <span>
#include <string>
#include <string_view>

namespace probe {

// The text with its quotes.
std::string json_string(std::string_view text);
std::string json_array(std::span<const std::string> texts);

class json_object {
 public:
  json_object& add(std::string_view name, std::string_view text) {
    return add_raw(name, json_string(text));
  }
  json_object& add(std::string_view name, const char* text) {
    return add(name, std::string_view(text));
  }
  json_object& add(std::string_view name, bool value) {
    return add_raw(name, value ? "true" : "false");
  }
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  json_object& add(std::string_view name, T value) {
    return add_raw(name, std::to_string(value));
  }
  json_object& add(std::string_view name, std::span<const std::string> texts) {
    return add_raw(name, json_array(texts));
  }
  json_object& add(std::string_view name, const json_object& value) {
    return add_raw(name, value.text());
  }
  // `json` is a value, already written.
  json_object& add_raw(std::string_view name, std::string_view json);

  std::string text() const { return text_ + '}'; }

 private:
  std::string text_ = "{";
};

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_JSON_HPP
