// What an exception says of itself: for lines that people read, never for the wire.
#ifndef GATEPOST_SMTP_DETAIL_EXCEPTION_TEXT_HPP
#define GATEPOST_SMTP_DETAIL_EXCEPTION_TEXT_HPP

#include <exception>
#include <string>

namespace gatepost::smtp::detail {

// Of the exception that is being handled, or of another one; there has to be one. Bears a lack of
// memory, of which it says so instead: it is called where nothing may be thrown. Thread-safe.
inline std::string exception_text(const std::exception_ptr& e = std::current_exception()) noexcept {
  try {
    try {
      std::rethrow_exception(e);
    } catch (const std::exception& known) {
      return known.what();
    } catch (...) {
      return "an exception that is no std::exception";
    }
  } catch (...) {
    return "out of memory";  // so short that the string needs no memory for it
  }
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_EXCEPTION_TEXT_HPP
