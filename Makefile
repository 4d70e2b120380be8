# Synod's only build file. Sources are found by folder: adding a file edits no list.
# `make help` tells what there is; tools/setup.mk installs what is missing.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
SHELL := /bin/bash

# As many jobs as the machine has processors, unless a make above us has decided already.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory

# -- What to build, and where --------------------------------------------------------------

# Each kind of build has a folder of its own, so that none makes another stale.
comma     := ,
SAN       ?=
MUTATIONS ?=
COVERAGE  ?=
FUZZ      ?=
ifeq ($(origin CC),default)
CC        := gcc
endif
BUILD     ?= build$(if $(SAN),-san-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(CC)),-clang)$\
             $(if $(MUTATIONS),-mutations)$(if $(COVERAGE),-coverage)$(if $(FUZZ),-fuzz)
V         ?= 0
Q         := $(if $(filter 1,$(V)),,@)

include tools/setup.mk

# -- Flags ---------------------------------------------------------------------------------

WARNINGS := -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wstrict-prototypes \
            -Wmissing-prototypes -Werror
HARDEN   := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
            -fcf-protection=full
STRICT   := -fno-delete-null-pointer-checks -fno-strict-overflow
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Isrc -I$(BUILD)/proto $(if $(MUTATIONS),-DSYNOD_MUTATIONS)
CFLAGS   += $(if $(COVERAGE),-O0,-O2) -g -fPIC -fno-semantic-interposition $(WARNINGS) -MMD -MP
LDFLAGS  += -Wl,-z,relro,-z,now,-z,noexecstack
LDLIBS   += -luv -lnghttp2 -lprotobuf-c -lhttp_parser -lm -lpthread
ifneq ($(COVERAGE),)
CFLAGS   += --coverage -Wno-error # At -O0 some warnings are guesses.
LDFLAGS  += --coverage
endif
ifneq ($(SAN),)
CFLAGS   += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SAN)
endif
ifneq ($(FUZZ),)
CFLAGS   += -fsanitize=fuzzer-no-link
endif
ifeq ($(SAN)$(COVERAGE),)
CFLAGS   += $(HARDEN) $(STRICT)
endif

# -- Sources -------------------------------------------------------------------------------

# Programs are main.c and the rest of their folder; the rest is an archive, so that a test can
# be linked with any of it. Everything else under src/ is in one archive that all are linked
# with; libsynod is the part of it that knows no store.
object       = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROTOS      := $(wildcard proto/*.proto)
PROTO_C     := $(PROTOS:proto/%.proto=$(BUILD)/proto/%.pb-c.c)
PROTO_H     := $(PROTO_C:.c=.h)
SERVER_C    := $(filter-out %/main.c,$(wildcard src/server/*.c src/cli/*.c))
BENCH_C     := $(filter-out %/main.c,$(wildcard bench/*.c))
CHECK_C     := $(wildcard check/*.c)
SIM_C       := $(filter-out %/main.c,$(wildcard sim/*.c sim/explore/*.c model/*.c))
CORE_C      := $(filter-out src/server/% src/cli/%,$(wildcard src/*/*.c))
LIBRARY_C   := $(foreach dir,base paxos wire os wal peer replica,$(wildcard src/$(dir)/*.c))
TEST_LIB_C  := $(wildcard test/lib/*.c)
UNIT_DIRS   := $(notdir $(patsubst %/,%,$(wildcard test/unit/*/)))
FAULT_DIRS  := $(notdir $(patsubst %/,%,$(wildcard test/fault/*/)))

CORE_O      := $(call object,$(CORE_C)) $(PROTO_C:.c=.o)
CORE        := $(BUILD)/libsynod-internal.a
UNIT_TESTS  := $(UNIT_DIRS:%=$(BUILD)/test/unit-%)
FAULT_TESTS := $(FAULT_DIRS:%=$(BUILD)/test/fault-%)
PROGRAMS    := $(BUILD)/synod $(BUILD)/synod-bench $(BUILD)/synod-sim
LIBRARIES   := $(BUILD)/libsynod.a $(BUILD)/libsynod.so

.PHONY: all programs unit
all: $(PROGRAMS) $(LIBRARIES)
programs: $(PROGRAMS)
unit: $(UNIT_TESTS) $(FAULT_TESTS)

# -- Compiling -----------------------------------------------------------------------------

$(BUILD)/proto/%.pb-c.c $(BUILD)/proto/%.pb-c.h: proto/%.proto | $(SETUP)
	@mkdir -p $(@D)
	@echo "  PROTO $<"
	$(Q)protoc-c --proto_path=proto --c_out=$(BUILD)/proto $<

# Generated code is not ours to hold to our warnings.
$(BUILD)/proto/%.o: $(BUILD)/proto/%.c
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(filter-out $(WARNINGS),$(CFLAGS)) -std=c11 -c -o $@ $<

include_for = $(if $(filter test/%,$(1)),-Itest/lib) \
              $(if $(filter test/% sim/% check/% model/% bench/%,$(1)),-I.)
$(BUILD)/obj/%.o: %.c | $(PROTO_H) $(SETUP)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(call include_for,$<) -c -o $@ $<

# The simulator runs copies of its own, which count the marks that they come by: src/base/mark.h.
# A release by gcc optimizes them as one program, for this very machine, and does not harden it, for
# nobody attacks it: its speed is how much of the world it sees.
LTO         := $(if $(SAN)$(MUTATIONS)$(COVERAGE)$(filter clang%,$(CC)),,-flto=auto -march=native)
MARKED_C    := $(if $(COVERAGE),,$(foreach dir,paxos wal replica,$(wildcard src/$(dir)/*.c))) \
               $(if $(LTO),$(foreach dir,base wire peer kv,$(wildcard src/$(dir)/*.c)) \
               $(SIM_C) $(CHECK_C))
MARKED_O    := $(patsubst %.c,$(BUILD)/marked/%.o,$(MARKED_C))
MARKED      := $(if $(MARKED_O),$(BUILD)/marked.a)
$(BUILD)/marked/%.o: %.c | $(PROTO_H) $(SETUP)
	@mkdir -p $(@D)
	@echo "  CC    $< (marked)"
	$(Q)$(CC) $(CPPFLAGS) -DSYNOD_MARKS $(filter-out $(HARDEN),$(CFLAGS)) $(LTO) \
	  $(call include_for,$<) -c -o $@ $<

# A line that repeats a run must say how to build the same again.
WORDS := $(strip $(if $(SAN),SAN=$(SAN)) $(if $(filter clang%,$(CC)),CC=$(CC)) \
         $(if $(MUTATIONS),MUTATIONS=$(MUTATIONS)) $(if $(COVERAGE),COVERAGE=$(COVERAGE)))
$(BUILD)/%/sim/repeat.o: private CPPFLAGS += -DSYNOD_BUILD_WORDS='"$(WORDS)"'

# -- Linking -------------------------------------------------------------------------------

define archive
$(1): $(2)
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $(2)
endef
$(eval $(call archive,$(CORE),$(CORE_O)))
$(eval $(call archive,$(BUILD)/server.a,$(call object,$(SERVER_C))))
$(eval $(call archive,$(BUILD)/bench.a,$(call object,$(BENCH_C))))
$(eval $(call archive,$(BUILD)/check.a,$(call object,$(CHECK_C))))
$(eval $(call archive,$(BUILD)/marked.a,$(MARKED_O)))
$(eval $(call archive,$(BUILD)/sim.a,$(call object,$(SIM_C))))
$(eval $(call archive,$(BUILD)/test-lib.a,$(call object,$(TEST_LIB_C))))

# What is linked: objects first, then archives from the top of the house to its bottom.
define program
$(1): $(2)
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	$(Q)$(CC) -pie $(LDFLAGS) -o $$@ $(2) $(LDLIBS) $(3)
endef
$(eval $(call program,$(BUILD)/synod,\
	$(call object,src/server/main.c) $(BUILD)/server.a $(CORE)))
$(eval $(call program,$(BUILD)/synod-bench,$(call object,bench/main.c) $(BUILD)/bench.a $(CORE)))
$(eval $(call program,$(BUILD)/synod-sim,$(call object,sim/main.c) \
	$(if $(LTO),,$(BUILD)/sim.a $(BUILD)/check.a) $(MARKED) $(CORE),$(LTO)))

# A folder of unit tests is linked with what it is about, where that is part of a program.
archive_for  = $(if $(filter server cli,$(1)),$(BUILD)/server.a)$\
               $(if $(filter bench,$(1)),$(BUILD)/bench.a)$\
               $(if $(filter check sim,$(1)),$(BUILD)/sim.a $(BUILD)/check.a)$\
               $(if $(filter model,$(1)),$(call object,$(wildcard model/*.c)))
test_objects = $(call object,$(wildcard $(1)/*.c) test/lib/mutation.c) \
               $(call archive_for,$(notdir $(1))) $(BUILD)/test-lib.a $(CORE)
$(foreach dir,$(UNIT_DIRS),$(eval $(call program,$(BUILD)/test/unit-$(dir),\
	$(call test_objects,test/unit/$(dir)),-lcmocka)))
# What fails on purpose is our own code and nothing else: the programs of test/fault are linked
# with copies of the archives in which what may fail has the names that test/lib/fault*.c define.
FAULTY       := malloc calloc realloc aligned_alloc strdup strndup free \
                nghttp2_session_callbacks_new nghttp2_option_new \
                nghttp2_session_client_new2 nghttp2_session_server_new2 \
                open fstat flock pread pwrite ftruncate fdatasync fsync mkdir lstat statvfs \
                scandir rename remove uv_loop_init uv_signal_init uv_tcp_bind uv_listen \
                uv_accept uv_tcp_connect uv_getaddrinfo uv_try_write uv_write
$(BUILD)/faulty/%.a: $(BUILD)/%.a Makefile
	@mkdir -p $(@D)
	$(Q)objcopy $(foreach name,$(FAULTY),--redefine-sym $(name)=fault_$(name)) $< $@

fault_extra  = $(if $(filter replica,$(1)),$(BUILD)/sim.a $(BUILD)/check.a)$\
               $(if $(filter cli server,$(1)),$(BUILD)/faulty/server.a)$\
               $(if $(filter etcd,$(1)),$(call object,test/unit/etcd/front.c))
$(foreach dir,$(FAULT_DIRS),$(eval $(call program,$(BUILD)/test/fault-$(dir),\
	$(call object,$(wildcard test/fault/$(dir)/*.c test/lib/*fault*.c) test/lib/mutation.c) \
	$(call fault_extra,$(dir)) \
	$(BUILD)/test-lib.a $(BUILD)/faulty/libsynod-internal.a,-lcmocka)))
# The scenarios are no cmocka program: they have a main of their own.
$(eval $(call program,$(BUILD)/test/scenario,$(call test_objects,test/scenario),-lcmocka))
$(eval $(call program,$(BUILD)/test/disk,\
	$(call object,$(wildcard test/disk/*.c)) $(BUILD)/test-lib.a $(CORE)))
$(eval $(call program,$(BUILD)/test/chaos,$(call object,$(wildcard test/chaos/*.c)) \
	$(BUILD)/server.a $(BUILD)/sim.a $(BUILD)/check.a $(CORE)))

# Fuzz targets: a program for each where there is libFuzzer, else one that replays the corpora.
# Both may stand on real cores, on a replica in the simulator's world, and on the test rigs.
FUZZ_NAMES  := $(patsubst test/fuzz/%_fuzz.c,%,$(wildcard test/fuzz/*_fuzz.c))
FUZZ_MAINS  := test/fuzz/libfuzzer.c test/fuzz/replay.c
FUZZ_RIG    := $(call object,$(filter-out $(FUZZ_MAINS) %_fuzz.c,$(wildcard test/fuzz/*.c)) \
               $(filter-out %/test.c,$(TEST_LIB_C))) \
               $(BUILD)/server.a $(BUILD)/sim.a $(BUILD)/check.a $(CORE)
$(eval $(call program,$(BUILD)/test/fuzz-replay,$(call object,test/fuzz/replay.c \
	$(FUZZ_NAMES:%=test/fuzz/%_fuzz.c)) $(FUZZ_RIG),-lcmocka))
$(if $(FUZZ),$(foreach name,$(FUZZ_NAMES),$(eval $(call program,$(BUILD)/test/fuzz-$(name),\
	$(call object,test/fuzz/libfuzzer.c test/fuzz/$(name)_fuzz.c) $(FUZZ_RIG),\
	-lcmocka -fsanitize=fuzzer))))

# In libsynod only what include/synod declares can be seen: its objects are joined into one, in
# which every other name is made local. So our short internal names can clash with nobody's.
$(BUILD)/libsynod.o: $(call object,$(LIBRARY_C))
	$(Q)ld -r -o $@ $^
	$(Q)objcopy --wildcard --keep-global-symbol='synod_*' $@

$(BUILD)/libsynod.a: $(BUILD)/libsynod.o
	@echo "  LINK  $@"
	@rm -f $@
	$(Q)ar rcs $@ $<

$(BUILD)/libsynod.so: $(BUILD)/libsynod.o
	@echo "  LINK  $@"
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libsynod.so.0 -o $@ $< -luv -lpthread

# -- Testing -------------------------------------------------------------------------------

# Stages one after the other, the programs of a stage side by side. The smoke test starts real
# servers and measures time, so it has the machine to itself.
SEEDS ?= 200
.PHONY: test fault scenario sim traces threads explore disk fuzz demo bench clients chaos narrow
test: $(UNIT_TESTS) $(FAULT_TESTS) $(BUILD)/test/scenario $(BUILD)/test/fuzz-replay $(PROGRAMS)
	@tools/run-tests $(UNIT_TESTS) $(FAULT_TESTS) $(BUILD)/test/scenario \
	    '$(BUILD)/test/fuzz-replay test/fuzz/corpus' \
	    -- '$(BUILD)/synod-sim --scenario all --seeds 10 --draw $(BUILD)/scenario.svg' \
	    -- '$(BUILD)/synod-sim --seeds $(SEEDS) --draw $(BUILD)/sim.svg' \
	    -- 'tools/smoke $(BUILD)'

# The n-th operation fails, for every single n; `make test` leaves some out where there are many.
# FAULTS=replica: those of that folder alone.
fault: $(if $(FAULTS),$(BUILD)/test/fault-$(FAULTS),$(FAULT_TESTS))
	@FAULT_LONG=1 RUN_TESTS_SECONDS=36000 tools/run-tests $^

# Golden transcripts. UPDATE=1 writes them anew; the diff is the review.
scenario: $(BUILD)/test/scenario
	@$(if $(UPDATE),UPDATE=$(UPDATE)) tools/run-tests $(BUILD)/test/scenario

# SEED=7: that one. SEEDS=2000 FROM=1: so many, from there. SECONDS=360: for so long. SCENARIO=ring:
# a permanent partition. MUTATIONS=1 MUTANT=2: with a bug on. ARGS: whatever else it takes.
# The first seed of many that fails is drawn in $(BUILD)/sim.svg.
sim: $(BUILD)/synod-sim
	@$(BUILD)/synod-sim $(if $(SEED),--seed $(SEED)) $(if $(SEED)$(SECONDS),,--seeds $(SEEDS)) \
	    $(if $(SECONDS),--seconds $(SECONDS)) $(if $(FROM),--from $(FROM)) \
	    $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(MUTANT),--mutant $(MUTANT)) \
	    $(if $(SEED),,--draw $(BUILD)/sim.svg) $(ARGS)

# The same seeds in every kind of build: the same steps, or a seed that failed in one of them could
# not be looked at in another.
traces:
	@$(MAKE) --no-print-directory build/synod-sim
	@$(MAKE) --no-print-directory CC=clang build-clang/synod-sim
	@$(MAKE) --no-print-directory SAN=address,undefined build-san-address-undefined/synod-sim
	@tools/traces build build-clang build-san-address-undefined

# Real threads under a race detector: what workers and the loop share, and whole servers.
threads:
	@$(MAKE) --no-print-directory SAN=thread $(addprefix build-san-thread/,synod \
	    test/chaos test/unit-threads test/unit-os test/unit-kv)
	@tools/threads build-san-thread

# Every reachable state of the small scopes, millions of the others'. DEPTH=release: larger ones,
# half an hour. SCOPE=b: that one. A claim that breaks is drawn in $(BUILD)/explore.svg.
DEPTH ?= ci
explore: $(BUILD)/synod-sim
	@$(BUILD)/synod-sim explore --depth $(DEPTH) $(if $(SCOPE),--scope $(SCOPE)) \
	    $(if $(STATES),--states $(STATES)) $(if $(MUTANT),--mutant $(MUTANT)) \
	    --draw $(BUILD)/explore.svg

# Every state that a crash or damage can leave on a disk. DEPTH=release: more of them. PART=crash:
# that part. STATE=crash/5/17: that one state, and what it is like.
disk: $(BUILD)/test/disk
	@$(BUILD)/test/disk --depth $(DEPTH) $(if $(PART),--part $(PART)) \
	    $(if $(STATE),--state $(STATE)) $(if $(MUTANT),--mutant $(MUTANT))

# SECONDS=10: for each target. TARGET=step: that one. KEEP=1: what was found becomes the corpus.
# HOURS=1: how long each was tried, all runs together. RECORD=1: keep that in test/fuzz/hours.txt.
ifeq ($(FUZZ),)
fuzz:
	@$(MAKE) FUZZ=1 CC=clang SAN=address,undefined fuzz
else
fuzz: $(FUZZ_NAMES:%=$(BUILD)/test/fuzz-%)
	@tools/fuzz --build $(BUILD) --seconds $(or $(SECONDS),10) $(if $(KEEP),--keep) \
	    $(if $(HOURS),--hours) $(if $(RECORD),--record) $(TARGET)
endif

# Every seeded bug, and which layers of the tests find it. ROW=7: that one.
.PHONY: mutants
ifeq ($(MUTATIONS),)
mutants:
	@$(MAKE) MUTATIONS=1 mutants
else
mutants: $(UNIT_TESTS) $(FAULT_TESTS) $(BUILD)/test/scenario $(BUILD)/test/fuzz-replay \
         $(BUILD)/synod-sim $(if $(wildcard test/disk/*.c),$(BUILD)/test/disk)
	@tools/mutants --build $(BUILD) $(if $(ROW),--row $(ROW))
endif

# The protocol's second statement. MODEL="crash log": those scopes; DEPTH=release: larger ones too.
.PHONY: model
model: | $(SETUP_CHECK)
	@tools/model --build $(BUILD) $(if $(filter release,$(DEPTH)),--release) $(MODEL)

demo: $(BUILD)/synod
	@$(BUILD)/synod demo

KILLS ?= 200
chaos: $(BUILD)/synod $(BUILD)/test/chaos
	@$(BUILD)/test/chaos --binary $(BUILD)/synod --kills $(KILLS)

RATE ?= 4mbit
MEGABYTES ?= 20
narrow: $(PROGRAMS)
	@tools/narrow --build $(BUILD) --rate $(RATE) --megabytes $(MEGABYTES)

clients: $(PROGRAMS) | $(SETUP_PEERS)
	@tools/clients $(BUILD)

bench: $(PROGRAMS) | $(SETUP_PEERS)
	@tools/bench $(BUILD)

# -- Reading the code ----------------------------------------------------------------------

# The rules of the house that no compiler checks: tools/tidy, which reads release objects too; and
# whether all is there that the documents point at.
ALL_C := $(wildcard include/*/*.h src/*/*.[ch] check/*.[ch] sim/*.[ch] sim/*/*.[ch] bench/*.[ch] \
         model/*.[ch] \
         test/*/*.[ch] test/unit/*/*.[ch] test/fault/*/*.[ch])
.PHONY: tidy fmt check coverage
tidy: $(CORE) $(BUILD)/libsynod.a | $(SETUP_CHECK)
	@tools/pointers
	@tools/mutants --check
	@tools/tidy --build $(BUILD)

fmt: | $(SETUP_CHECK)
	@clang-format -i $(ALL_C)
	@echo "fmt: $(words $(ALL_C)) files"

# Static analysis, file by file: a stamp for each that passed, so only what changed is read again.
CHECKED := $(patsubst %.c,$(BUILD)/check/%.ok,$(filter %.c,$(ALL_C)))
check: $(CHECKED)
	@echo "check: $(words $(CHECKED)) files, 0 findings"

# Suppressed: what cppcheck gets wrong (_Noreturn, assertions, a foreign library's #error, pointers
# lent for a call), and what the compilers and the sanitizers know better (uninitialized variables).
CPPCHECK := cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
            --enable=warning,performance,portability --suppress=missingIncludeSystem \
            --suppress=missingReturn --suppress=internalAstError \
            --suppress=preprocessorErrorDirective --suppress=returnDanglingLifetime \
            --suppress=ctunullpointer --suppress=nullPointerRedundantCheck --suppress=uninitvar
$(BUILD)/check/%.ok: %.c .clang-tidy $(BUILD)/obj/%.o | $(SETUP_CHECK)
	@mkdir -p $(@D)
	@echo "  CHECK $<"
	$(Q)clang-tidy --quiet $< -- -std=c11 $(CPPFLAGS) $(call include_for,$<) 2>/dev/null
	$(Q)$(CPPCHECK) $(CPPFLAGS) $(call include_for,$<) $<
	@touch $@

# The same tests in a build that counts branches; tools/coverage says what is left out.
ifeq ($(COVERAGE),)
coverage:
	@$(MAKE) COVERAGE=1 coverage
else
coverage: $(UNIT_TESTS) $(FAULT_TESTS) $(BUILD)/test/scenario $(BUILD)/synod-sim
	@find $(BUILD) -name '*.gcda' -delete
	@tools/run-tests $(UNIT_TESTS) $(FAULT_TESTS) $(BUILD)/test/scenario \
	    -- '$(BUILD)/synod-sim --seeds 50'
	@tools/coverage $(BUILD) src/paxos src/wal src/kv
endif

# -- The rest ------------------------------------------------------------------------------

.PHONY: ci help clean
ci:
	@.ci/run

help:
	@cat tools/help.txt

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
