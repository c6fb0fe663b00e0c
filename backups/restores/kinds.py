"""The kinds of runs that restores are, by name. Plans freeze them, so they never change."""

BESIDE, SWAP, IN_PLACE, UNDO = "restore_beside", "restore_swap", "restore_in_place", "restore_undo"
PLAN_FILES, FILES, FILES_UNDO = "plan_restore_files", "restore_files", "restore_files_undo"
