#!/bin/sh
# Builds the Lua module from Lua's C sources, as a replacement of the one in wasmoon (docs/adr/0034-single-maintainers.md).
#
#   build-lua.sh FOLDER TARGET   FOLDER has Lua's sources (lapi.c …); writes TARGET/lua.mjs and TARGET/lua.wasm
#
# Needs emscripten 3.1.6 or newer with its parser acorn (Debian: emscripten, node-acorn). The exported functions are
# those that src/lua-abi.ts declares.
set -eu
sources=$1
target=$2
abi=$(dirname "$0")/../src/lua-abi.ts
exported=$(grep -oE '^  (_lua\w+|_malloc|_realloc|_free)\(' "$abi" | tr -d ' (' | sort -u | paste -sd,)
# Programs of their own, and libraries that no guest gets: files, processes, packages, debug, coroutines.
files=$(ls "$sources"/*.c | grep -vE '/(lua|luac|ltests|onelua|liolib|loslib|loadlib|ldblib|lcorolib|linit)\.c$')
# shellcheck disable=SC2086 # a list of files
emcc -O3 $files -o "$target/lua.mjs" --no-entry \
  -sMODULARIZE=1 -sEXPORT_ES6=1 -sUSE_ES6_IMPORT_META=1 -sENVIRONMENT=node -sFILESYSTEM=0 \
  -sWASM_BIGINT=1 -sSUPPORT_LONGJMP=emscripten \
  -sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=2147483648 -sALLOW_TABLE_GROWTH=1 -sTOTAL_STACK=1048576 \
  "-sEXPORTED_FUNCTIONS=$exported,_lua_pushlightuserdata" -sEXPORTED_RUNTIME_METHODS=addFunction,ccall
