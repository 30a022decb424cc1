// What the consumer's two files share: gatepost's headers are in both, as in any real program.
#ifndef GATEPOST_TESTS_CONSUMER_DESCRIBE_HPP
#define GATEPOST_TESTS_CONSUMER_DESCRIBE_HPP

#include <string>
#include <string_view>

namespace consumer {

// A line about a path as MAIL FROM takes it: its domain, or what is wrong with it.
std::string describe(std::string_view reverse_path);

}  // namespace consumer

#endif  // GATEPOST_TESTS_CONSUMER_DESCRIBE_HPP
