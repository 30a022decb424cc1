// Reads the configuration's keys from TOML text, and says of everything that is wrong where it
// stands and what to write instead. All errors are found, not only the first; after a syntax error
// there is only it.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_READER_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_READER_HPP

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "examples/border_mta/fields.hpp"

namespace border_mta {

struct config_error {
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
  std::string key;  // with its tables: "limits.recipients"; empty for an error of syntax
  std::string what;
  std::string remedy;
  std::string name;  // the key with the indices of lists, as in place_map

  // "border_mta.toml:12:14: limits.recipients: 0 is too small; write a number from 1 to 100000"
  std::string text() const;
};

// Where a value stands in the file, by the value's name with the indices of lists:
// "tls.certificates[0].chain".
struct place {
  std::size_t line = 0;
  std::size_t column = 0;
};
using place_map = std::map<std::string, place, std::less<>>;

class read_fields final : public fields {
 public:
  // `file` is the name for errors. Relative paths are taken to be under `base`.
  read_fields(std::string_view toml, std::string file, std::string base);
  ~read_fields() override;

  // False: the text is not TOML; errors() says why, and nothing can be read.
  bool parsed() const;

  // Call it after the last visit: what nobody asked for is an error, too. In the order of the file.
  std::vector<config_error> errors();

  // Keys that were asked for and are not in the file, with their tables.
  const std::vector<std::string>& absent() const { return absent_; }

  // Of the keys that are in the file.
  const place_map& places() const { return places_; }

  void flag(std::string_view key, bool& value) override;
  void text(std::string_view key, std::string& value) override;
  void path(std::string_view key, std::string& value) override;
  void texts(std::string_view key, std::vector<std::string>& value) override;
  void networks(std::string_view key, gatepost::smtp::network_set& value) override;
  void real(std::string_view key, double& value, range<double> allowed) override;
  void real(std::string_view key, std::optional<double>& value, range<double> allowed) override;
  void reject(std::string_view key, std::string what, std::string remedy) override;
  void reject_item(std::string_view key, std::size_t index, std::string what,
                   std::string remedy) override;
  void unused(std::string_view key, std::string why, std::string remedy) override;
  bool has(std::string_view key) override;

 private:
  struct document;
  struct frame;

  std::uint64_t whole(std::string_view key, std::uint64_t now,
                      range<std::uint64_t> allowed) override;
  std::uint64_t size(std::string_view key, std::uint64_t now,
                     range<std::uint64_t> allowed) override;
  milliseconds time(std::string_view key, milliseconds now, range<milliseconds> allowed) override;
  std::size_t one_of(std::string_view key, std::size_t now,
                     const std::vector<std::string_view>& words) override;
  void enter(std::string_view key) override;
  std::optional<std::size_t> items(std::string_view key, std::size_t now) override;
  void enter_item(std::string_view key, std::size_t index) override;
  void leave() override;

  std::string full_name(std::string_view key) const;

  std::unique_ptr<document> document_;
  std::vector<frame> frames_;  // the tables that are visited, outermost first
  std::string file_;
  std::string base_;
  std::vector<config_error> errors_;
  std::vector<std::string> absent_;
  place_map places_;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_READER_HPP
