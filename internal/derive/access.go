package derive

import (
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// Values of the column tables_source.
const (
	tablesByLakeFormation = "lake_formation" // Lake Formation named tables; what the SQL names beside them is there too
	tablesBySQL           = "sql"
)

// Access takes Lake Formation's record that a query was given access to a
// table, of the partition's day or the next, in any account.
func (d *Day) Access(a *athenatrail.DataAccess) {
	table, ok := tableOf(a.Table)
	if !ok {
		return
	}
	key := idOf(a.QueryExecutionID)
	if name := d.pool.text(table); !slices.Contains(d.access[key], name) {
		d.access[key] = append(d.access[key], name)
	}
}

// tableOf returns the full name of a table of Glue's by its ARN,
// arn:aws:glue:REGION:ACCOUNT:table/DATABASE/TABLE.
func tableOf(arn string) (string, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "glue" {
		return "", false
	}
	rest, ok := strings.CutPrefix(parts[5], "table/")
	database, table, both := strings.Cut(rest, "/")
	if !ok || !both || database == "" || table == "" {
		return "", false
	}
	return sqlref.Ref{Catalog: sqlref.GlueCatalog, Database: strings.ToLower(database), Table: strings.ToLower(table)}.String(), true
}

// addTables fills in what an execution touched: the tables that its SQL names,
// in the context in which it ran, and those that Lake Formation saw it read,
// behind views too. A name without a database, which Athena could not have
// resolved, is left out.
func (d *Day) addTables(row *athenatrail.QueryExecution, t *text) {
	tables, databases, written := []string{}, []string{}, []string{}
	if t != nil {
		row.QueryFingerprint = t.fingerprint
		for _, ref := range t.refs.In(row.CatalogName, row.DatabaseName) {
			if ref.Database == "" || !ref.Read && !ref.Write {
				continue
			}
			if ref.Table != "" {
				name := d.pool.text(ref.String())
				tables = append(tables, name)
				if ref.Write {
					written = append(written, name)
				}
			}
			databases = append(databases, databaseOf(ref))
		}
		if len(tables) > 0 {
			row.TablesSource = tablesBySQL
		}
	}
	if row.QueryExecutionID != "" {
		for _, name := range d.access[idOf(row.QueryExecutionID)] {
			row.TablesSource = tablesByLakeFormation
			tables = append(tables, name)
			if ref, ok := sqlref.ParseRef(name); ok {
				databases = append(databases, databaseOf(ref))
			}
		}
	}
	row.TablesAccessed, row.DatabasesAccessed, row.TablesWritten = unique(tables), unique(databases), unique(written)
}

// databaseOf returns the full name of a table's database.
func databaseOf(ref sqlref.Ref) string {
	return strings.TrimSuffix(sqlref.Ref{Catalog: ref.Catalog, Database: ref.Database}.String(), ".*")
}

// unique sorts names and drops those that are there twice; nil if there are
// none.
func unique(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return slices.Compact(names)
}
