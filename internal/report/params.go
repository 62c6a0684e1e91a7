package report

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/spelling"
)

// ErrUsage is what an error is when the caller asked for something that there
// is not: an unknown view or column, a window that ends before it begins, a
// statement with a mistake.
var ErrUsage = errors.New("usage")

// A usageError is a usage error's text.
type usageError string

func (e usageError) Error() string        { return string(e) }
func (e usageError) Is(target error) bool { return target == ErrUsage }

// Params say what a view is asked for.
type Params struct {
	From, To time.Time // half-open; both are needed

	// Arg is what the view is about, for views that have Argument.
	Arg string

	By    []string    // what to group by, for views that have By
	Where []Condition // all must hold; of several = on one column, one

	// Columns are the only ones that the rows are to have; nil is all. Without
	// percentiles a view is answered sooner, and so is one by day, hour or month
	// with few of them where roll-ups are held.
	Columns []string

	// Sections are those of the overview that are asked for, beside the total;
	// nil is all.
	Sections []string

	// Limit is how many rows at most; zero is all. Of the overview, it is how
	// many people, teams and databases.
	Limit int

	// Rankings leave out probes (SELECT 1 of a connection test and the like)
	// and athenatrail's own executions unless these are set or a condition
	// names the column.
	Probes, Own bool

	// CompleteTo goes into the result as it is. What had not ended by then, a
	// session of Spark, is taken to have gone on until then; zero is To.
	CompleteTo time.Time

	// CompleteFrom is from when on the lake holds anything. What lies before
	// is not compared with: it would look like a rise. Zero compares always.
	CompleteFrom time.Time

	// PartitionColumns are what findings take large tables to be partitioned
	// by, beside what the catalog says.
	PartitionColumns []PartitionColumn

	// Prices are what capacity is compared by. Without any, findings say
	// nothing of it.
	Prices []Price

	// Rows makes a view read query_executions where usage_rollup would do.
	// The answer is the same.
	Rows bool

	rule   string // of findings, that of one rule alone; empty: all
	billed bool   // bills are kept in the lake
}

// beforeHeld reports whether the lake holds all of the window before.
func (p Params) beforeHeld() bool { return !p.From.Add(p.From.Sub(p.To)).Before(p.CompleteFrom) }

// A Condition restricts a view to the rows whose column has, or has not, a
// value.
type Condition struct {
	Column string
	Not    bool

	// Value is compared as text. Empty stands for NULL; an asterisk stands
	// for any text.
	Value string
}

// ParseCondition reads col=value or col!=value.
func ParseCondition(s string) (Condition, error) {
	left, value, ok := strings.Cut(s, "=")
	column, not := strings.CutSuffix(left, "!")
	column = strings.TrimSpace(column)
	if !ok || column == "" {
		return Condition{}, usageError(fmt.Sprintf("condition %q: want column=value or column!=value", s))
	}
	return Condition{Column: column, Not: not, Value: value}, nil
}

func (c Condition) String() string {
	if c.Not {
		return c.Column + "!=" + c.Value
	}
	return c.Column + "=" + c.Value
}

// check refuses conditions that no row could be compared with.
func (c Condition) check(kinds map[string]string) error {
	bad := func(want string) error { return usageError(fmt.Sprintf("condition %s: want %s", c, want)) }
	if len(c.Value) > 4096 {
		return usageError(fmt.Sprintf("condition on %s: the value is longer than 4096 bytes", c.Column))
	}
	switch kinds[c.Column] {
	case "BOOLEAN":
		if !slices.Contains([]string{"", "true", "false"}, c.Value) {
			return bad("true or false")
		}
	case "INTEGER":
		if _, err := strconv.ParseInt(c.Value, 10, 32); err != nil && c.Value != "" {
			return bad("a number")
		}
	}
	return nil
}

// sql returns the condition as SQL, and calls bind with its value.
func (c Condition) sql(sqlType string, bind func(string) string) string {
	if c.Value == "" {
		if c.Not {
			return c.Column + " IS NOT NULL"
		}
		return c.Column + " IS NULL"
	}
	var test string
	switch {
	case sqlType != "VARCHAR":
		test = fmt.Sprintf("%s = CAST(%s AS %s)", c.Column, bind(c.Value), sqlType)
	case strings.Contains(c.Value, "*"):
		pattern := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(c.Value)
		test = fmt.Sprintf(`%s LIKE %s ESCAPE '\'`, c.Column, bind(pattern))
	default:
		test = fmt.Sprintf("%s = %s", c.Column, bind(c.Value))
	}
	if c.Not {
		return fmt.Sprintf("(%s IS NULL OR NOT %s)", c.Column, test)
	}
	return test
}

// conditions returns all of them as one SQL expression, or "" without any.
// Those of a column with = stand together with OR, in the order of the first.
func conditions(list []Condition, kinds map[string]string, bind func(string) string) string {
	var and []string
	done := map[string]bool{}
	for i, c := range list {
		if c.Not {
			and = append(and, c.sql(kinds[c.Column], bind))
			continue
		}
		if done[c.Column] {
			continue
		}
		done[c.Column] = true
		var or []string
		for _, other := range list[i:] {
			if !other.Not && other.Column == c.Column {
				or = append(or, other.sql(kinds[c.Column], bind))
			}
		}
		and = append(and, "("+strings.Join(or, " OR ")+")")
	}
	return strings.Join(and, " AND ")
}

// unknown says that there is no such thing, and which names are near.
func unknown(what, name string, known []string) error {
	var near []string
	for _, k := range known {
		if strings.HasPrefix(k, name) || strings.HasPrefix(name, k) || strings.Contains(k, name) && len(name) > 2 || spelling.Distance(k, name) <= max(1, len(name)/3) {
			near = append(near, k)
		}
	}
	if len(near) == 0 || name == "" || len(near) > 5 {
		return usageError(fmt.Sprintf("unknown %s %q: want one of %s", what, name, strings.Join(known, ", ")))
	}
	return usageError(fmt.Sprintf("unknown %s %q: did you mean %s?", what, name, strings.Join(near, " or ")))
}
