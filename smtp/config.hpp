// The build switches of gatepost: one place, included by every header.
//
// GATEPOST_SEPARATE_COMPILATION: define it for a whole program to have the definitions compiled
// once, by one source file that includes "smtp/src.hpp" (and the other modules' src.hpp). Without
// it gatepost is header-only. A program must not mix the two.
#ifndef GATEPOST_SMTP_CONFIG_HPP
#define GATEPOST_SMTP_CONFIG_HPP

#if defined(GATEPOST_SEPARATE_COMPILATION)
#define GATEPOST_DECL
#else
#define GATEPOST_DECL inline
#endif

// Semantic version of the library.
#define GATEPOST_VERSION_MAJOR 0
#define GATEPOST_VERSION_MINOR 1
#define GATEPOST_VERSION_PATCH 0
#define GATEPOST_VERSION "0.1.0"

#endif  // GATEPOST_SMTP_CONFIG_HPP
