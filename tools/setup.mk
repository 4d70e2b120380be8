# setup.mk -- what the machine must have, installed when it is missing (Debian 12's packages).
#
# Each set of tools/packages.txt has a stamp in the build folder, made once tools/setup has looked
# for every package of it. Whatever needs a set has its stamp as an order-only prerequisite; all
# that is compiled needs the first.

SETUP       := $(BUILD)/.setup-build $(if $(filter clang%,$(CC)),$(BUILD)/.setup-check)
SETUP_CHECK := $(BUILD)/.setup-check
SETUP_PEERS := $(BUILD)/.setup-peers

$(BUILD)/.setup-%: tools/setup tools/packages.txt
	@mkdir -p $(@D)
	@tools/setup $*
	@touch $@
