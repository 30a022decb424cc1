// Writes the configuration's keys as TOML, with the values that they have: what --print-config
// shows.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_WRITER_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_WRITER_HPP

#include <string>
#include <string_view>
#include <vector>

#include "examples/border_mta/fields.hpp"

namespace border_mta {

class write_fields final : public fields {
 public:
  const std::string& toml() const { return toml_; }

  void flag(std::string_view key, bool& value) override;
  void text(std::string_view key, std::string& value) override;
  void path(std::string_view key, std::string& value) override { text(key, value); }
  void texts(std::string_view key, std::vector<std::string>& value) override;
  void networks(std::string_view key, gatepost::smtp::network_set& value) override;
  void real(std::string_view key, double& value, range<double> allowed) override;
  void real(std::string_view key, std::optional<double>& value, range<double> allowed) override;
  void reject(std::string_view, std::string, std::string) override {}
  void reject_item(std::string_view, std::size_t, std::string, std::string) override {}
  void unused(std::string_view, std::string, std::string) override {}
  bool has(std::string_view) override { return false; }

 private:
  std::uint64_t whole(std::string_view key, std::uint64_t now, range<std::uint64_t>) override;
  std::uint64_t size(std::string_view key, std::uint64_t now, range<std::uint64_t>) override;
  milliseconds time(std::string_view key, milliseconds now, range<milliseconds>) override;
  std::size_t one_of(std::string_view key, std::size_t now,
                     const std::vector<std::string_view>& words) override;
  void enter(std::string_view key) override;
  std::optional<std::size_t> items(std::string_view, std::size_t) override { return std::nullopt; }
  void enter_item(std::string_view key, std::size_t index) override;
  void leave() override { tables_.pop_back(); }

  // What was not written yet of the tables' headers, and one line.
  void line(std::string_view key, std::string_view value);

  struct table {
    std::string name;
    bool item = false;
    bool announced = false;
  };
  std::vector<table> tables_;
  std::string toml_;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_WRITER_HPP
