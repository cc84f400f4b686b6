export TMPDIR=$N/tmp
