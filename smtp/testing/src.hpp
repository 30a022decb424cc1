// Every definition of smtp/testing, once: for one source file of a program that is compiled with
// GATEPOST_SEPARATE_COMPILATION. Written by tools/update-src.
#ifndef GATEPOST_SMTP_TESTING_SRC_HPP
#define GATEPOST_SMTP_TESTING_SRC_HPP

#ifndef GATEPOST_SEPARATE_COMPILATION
#error "src.hpp is for GATEPOST_SEPARATE_COMPILATION: define it for the whole program"
#endif

// clang-format off
#include "smtp/testing/impl/client_script.ipp"
#include "smtp/testing/impl/memory_transport.ipp"
#include "smtp/testing/impl/script.ipp"
#include "smtp/testing/impl/script_player.ipp"
#include "smtp/testing/impl/scripted_next_hop.ipp"
// clang-format on

#endif  // GATEPOST_SMTP_TESTING_SRC_HPP
