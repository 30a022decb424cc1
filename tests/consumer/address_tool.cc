#include <iostream>
#include <system_error>

#include "describe.hpp"
#include "smtp/config.hpp"
#include "smtp/errc.hpp"

int main(int argc, char** argv) {
  std::cout << "gatepost " << GATEPOST_VERSION << ", errors of "
            << gatepost::smtp::error_category().name() << '\n';
  for (int i = 1; i < argc; ++i) std::cout << argv[i] << ' ' << consumer::describe(argv[i]) << '\n';
}
