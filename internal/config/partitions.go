package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// A PartitionColumn is a column by which a table is partitioned. It has the
// fields of report.PartitionColumn.
type PartitionColumn struct {
	Table  string // catalog.database.table in lower case
	Column string // in lower case
}

var (
	tableForm  = regexp.MustCompile(`^[^.\s"]{1,255}(\.[^.\s"]{1,255}){1,2}$`)
	columnForm = regexp.MustCompile(`^[^.\s"]{1,255}$`)
)

// setPartitionColumns reads tables with their columns. A table without a
// catalog is one of Glue's own.
func setPartitionColumns(c *Config, path string, n node) (wrong []error) {
	c.PartitionColumns = nil
	if n.kind != kindMapping {
		return []error{n.place.errorf("%s: want tables with their columns, such as sales.orders: [dt]", path)}
	}
	for _, f := range n.fields {
		if !tableForm.MatchString(f.key) {
			wrong = append(wrong, f.place.errorf("%s %q: want a table such as sales.orders", path, clip(f.key)))
			continue
		}
		table := strings.ToLower(f.key)
		if strings.Count(table, ".") == 1 {
			table = "awsdatacatalog." + table
		}
		at := path + "." + f.key
		columns, errs := texts(at, f.value, matching(columnForm, "the name of a column"))
		wrong = append(wrong, errs...)
		for _, column := range columns {
			c.PartitionColumns = append(c.PartitionColumns, PartitionColumn{table, strings.ToLower(column)})
		}
		c.origins[path] = n.place.origin()
	}
	slices.SortFunc(c.PartitionColumns, func(a, b PartitionColumn) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Column, b.Column))
	})
	c.PartitionColumns = slices.Compact(c.PartitionColumns)
	return wrong
}

func showPartitionColumns(c *Config) (lines []shown) {
	var all []string
	for _, p := range c.PartitionColumns {
		all = append(all, p.Table+"."+p.Column)
	}
	return []shown{{"", strings.Join(all, ", ")}}
}
