package export

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/spelling"
)

// A kind is the type of a column's values.
type kind int

const (
	text    kind = iota // string
	int32s              // int64 that fits 32 bits
	int64s              // int64
	float               // float64
	boolean             // bool
	moment              // time.Time
	money               // athenatrail.Money
	texts               // []string
)

// A Column is one column of an export's files.
type Column struct {
	Name string
	kind kind

	// needs are the columns of the table that it is made of.
	needs []string

	// value returns the cell, nil for NULL, of a row of the table. Where it is
	// nil, late makes the cell when the row's hour is written.
	value func(row any) any
	late  func(h Hour, sql any) any

	sql bool // late wants the SQL, which is text or NULL
}

// folderColumn is a column of tables that the folders give too. Engines that
// take folders for columns refuse a file which has it, or prefer one of the
// two, and in a zone the folder's is another hour.
const folderColumn = "hour"

// sqlColumn is the text of queries, which lies apart in the lake.
var sqlColumn = Column{Name: "query_string", kind: text, sql: true, late: func(_ Hour, sql any) any { return sql }}

var timeType = reflect.TypeFor[time.Time]()

// columnsOf returns the columns of a table whose rows are of type t, in their
// order. A value is NULL where the lake has NULL: see the root package.
func columnsOf(t reflect.Type) []Column {
	var all []Column
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		if field.Anonymous || name == "" || name == "-" {
			continue
		}
		c := Column{Name: name, needs: []string{name}}
		of := field.Type
		optional := strings.Contains(","+options+",", ",optional,") || of.Kind() == reflect.Pointer
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		var cell func(reflect.Value) any
		switch {
		case of == timeType:
			c.kind, cell = moment, func(v reflect.Value) any { return v.Interface() }
		case of == reflect.TypeFor[athenatrail.Money]():
			c.kind, cell = money, func(v reflect.Value) any { return athenatrail.Money(v.Int()) }
		case of == reflect.TypeFor[[]string]():
			c.kind, cell = texts, func(v reflect.Value) any { return v.Interface() }
		case of.Kind() == reflect.String:
			c.kind, cell = text, func(v reflect.Value) any { return v.String() }
		case of.Kind() == reflect.Int32:
			c.kind, cell = int32s, func(v reflect.Value) any { return v.Int() }
		case of.Kind() == reflect.Int64:
			c.kind, cell = int64s, func(v reflect.Value) any { return v.Int() }
		case of.Kind() == reflect.Float64:
			c.kind, cell = float, func(v reflect.Value) any { return v.Float() }
		case of.Kind() == reflect.Bool:
			c.kind, cell = boolean, func(v reflect.Value) any { return v.Bool() }
		default:
			panic(fmt.Sprintf("export: %v.%s: no cell for %v", t, field.Name, field.Type))
		}
		index, pointer := field.Index, field.Type.Kind() == reflect.Pointer
		c.value = func(row any) any {
			v := reflect.ValueOf(row).Elem().FieldByIndex(index)
			if optional && v.IsZero() {
				return nil
			}
			if pointer {
				v = v.Elem()
			}
			return cell(v)
		}
		all = append(all, c)
	}
	return all
}

// Names of sets of columns.
const (
	All           = "all"            // the table's, without the SQL and without hour
	Tracker       = "tracker"        // those of victorshen858's query tracker
	AthenaMetrics = "athena-metrics" // those of MoveInc's AthenaMetrics
	Focus         = "focus"          // those of the FinOps Open Cost and Usage Specification
)

// A set is columns that have a name together.
type set struct {
	name    string
	columns []Column
	whole   bool                // the columns do not say what they need
	file    func(h Hour) string // the file's name without its ending
	keep    func(row any) bool  // nil keeps every row
}

// fixedSets are the sets of query executions that are given as they are.
var fixedSets = []set{trackerSet, metricsSet, focusSet}

// parseColumns returns the columns of a table that a text names: one of the
// sets, or names with commas between, of which all may be one.
func parseColumns(t *table, names string) (set, error) {
	names = cmp.Or(strings.TrimSpace(names), All)
	for _, s := range fixedSets {
		switch {
		case s.name != names:
		case t.name != Queries:
			return set{}, usagef("columns %s are of %s, not of %s", names, Queries, t.name)
		default:
			return s, nil
		}
	}
	chosen := set{name: names, file: func(Hour) string { return t.name }}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		found := false
		for _, c := range t.columns {
			if c.Name != name && (name != All || c.sql || c.Name == folderColumn) {
				continue
			}
			found = true
			if slices.ContainsFunc(chosen.columns, func(d Column) bool { return d.Name == c.Name }) {
				return set{}, usagef("columns %q: %s is named twice", names, c.Name)
			}
			chosen.columns = append(chosen.columns, c)
		}
		if !found {
			return set{}, unknownColumn(t, name)
		}
	}
	return chosen, nil
}

// unknownColumn says that a table has no such column, and which it may mean.
func unknownColumn(t *table, name string) error {
	for _, s := range fixedSets {
		if s.name == name {
			return usagef("columns %s stand alone: they are as they are", name)
		}
	}
	nearest, best := "", 3
	for _, c := range t.columns {
		if d := spelling.Distance(name, c.Name); d < best {
			nearest, best = c.Name, d
		}
	}
	if nearest != "" {
		return usagef("%s has no column %.60q: did you mean %s?", t.name, name, nearest)
	}
	return usagef("%s has no column %.60q: want all, tracker, athena-metrics, focus, or columns of the table with commas between", t.name, name)
}
