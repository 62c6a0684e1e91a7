package sqlref

import (
	"bytes"
	"regexp"
)

// Names that tools make up anew for each run. A name of a person's, with a
// year or a date in it, is not among them.
var (
	// A UUID in hex, in one piece or parted by _ or -: temp_table_<hex> of the
	// AWS SDK for pandas, <model>__<uuid> of dbt-athena's
	// unique_tmp_table_suffix, and nobody's choice of a name.
	uuid = regexp.MustCompile(`(^|[_-])([0-9a-f]{32}|[0-9a-f]{8}([_-])[0-9a-f]{4}[_-][0-9a-f]{4}[_-][0-9a-f]{4}[_-][0-9a-f]{12})($|[_-])`)

	// What dbt-athena appends to a model's name, also twice; digits after
	// __dbt_tmp are a time of other adapters; __tmp_<time> is of elementary.
	dbt = regexp.MustCompile(`(__dbt_tmp[0-9_]*|__dbt_backup|__tmp_not_partitioned|__ha|__bkp|__#|__tmp_[0-9]{10,20}(_[0-9]+)?)+$`)

	// Great Expectations, by the first eight digits of a UUID.
	greatExpectations = regexp.MustCompile(`^(ge|gx)_(temp|tmp)_[0-9a-f]{8}$`)

	// Splink, by nine digits of a hash.
	splink = regexp.MustCompile(`^(__splink__.+)_[0-9a-f]{9}$`)
)

var underscores = []byte("__")

// mayBeTemporary says quickly that most names are not.
func mayBeTemporary(name []byte) bool {
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	return len(name) >= 32 || bytes.Contains(name, underscores) || name[0] == 'g' && (len(name) == 15 || len(name) == 16)
}

// permanent returns a name, in lower case, without what is made up for each
// run.
func permanent(name string) string {
	name = uuid.ReplaceAllString(name, "$1#$4")
	name = greatExpectations.ReplaceAllString(name, "$1#")
	name = splink.ReplaceAllString(name, "$1#")
	return dbt.ReplaceAllString(name, "__#")
}
