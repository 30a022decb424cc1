#include "examples/probe/json.hpp"

#include "smtp/utf8.hpp"

namespace probe {
namespace {

void append_escaped(std::string& out, char c) {
  constexpr char digits[] = "0123456789abcdef";
  switch (c) {
    case '"': out.append("\\\""); return;
    case '\\': out.append("\\\\"); return;
    case '\n': out.append("\\n"); return;
    case '\r': out.append("\\r"); return;
    case '\t': out.append("\\t"); return;
    default: break;
  }
  const auto octet = static_cast<unsigned char>(c);
  if (octet >= 0x20) {
    out.push_back(c);
    return;
  }
  out.append("\\u00");
  out.push_back(digits[octet >> 4]);
  out.push_back(digits[octet & 15]);
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t size = gatepost::smtp::utf8_sequence(text, 0);
    if (size == 0) out.append("\xEF\xBF\xBD");
    if (size == 1) append_escaped(out, text.front());
    if (size > 1) out.append(text.substr(0, size));
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out.append("\"");
}

std::string json_array(std::span<const std::string> texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out.push_back(',');
    out.append(json_string(text));
  }
  return out.append("]");
}

json_object& json_object::add_raw(std::string_view name, std::string_view json) {
  if (text_.size() > 1) text_.push_back(',');
  text_.append(json_string(name)).append(":").append(json);
  return *this;
}

}  // namespace probe
