package report

import (
	"fmt"

	"github.com/athenatrail/athenatrail/internal/format"
)

// catalogTablesView has every answer about a table, the day being that of the
// answer: there is one where it differed from the last.
func catalogTablesView(d dialect) string {
	return fmt.Sprintf(`SELECT id AS table_name, account_id, region_name, dt,
    coalesce(%s = 'true', false) AS gone,
    %s AS known_from,
    %s AS table_type,
    %s AS table_format,
    %s AS compression,
    %s AS location,
    CAST(%s AS BIGINT) AS column_count,
    %s AS column_names,
    %s AS partition_columns,
    CAST(%s AS BIGINT) AS table_bytes,
    CAST(%s AS BIGINT) AS table_rows,
    %s AS created_at,
    %s AS updated_at
FROM catalog
WHERE kind = 'table'`,
		d.jsonText("answer", "Gone"), d.jsonText("answer", "From"), d.jsonText("answer", "Type"), d.jsonText("answer", "Format"), d.jsonText("answer", "Compression"),
		d.jsonText("answer", "Location"), d.jsonText("answer", "ColumnCount"), d.jsonList("answer", "Columns"), d.jsonList("answer", "PartitionColumns"),
		d.jsonText("answer", "Bytes"), d.jsonText("answer", "Rows"), d.jsonTime("Created"), d.jsonTime("Updated"))
}

// catalogGrantsView has every answer about a grant likewise.
func catalogGrantsView(d dialect) string {
	return fmt.Sprintf(`SELECT %s AS principal, %s AS scope, %s AS table_name, account_id, region_name, dt,
    coalesce(%s = 'true', false) AS gone,
    %s AS known_from,
    %s AS permissions,
    %s AS grantable
FROM catalog
WHERE kind = 'grant'`,
		d.jsonText("answer", "Principal"), d.jsonText("answer", "Scope"), d.jsonText("answer", "Resource"), d.jsonText("answer", "Gone"), d.jsonText("answer", "From"),
		d.jsonList("answer", "Permissions"), d.jsonList("answer", "Grantable"))
}

// jsonTime returns a time of an answer, which is RFC 3339 in UTC.
func (d dialect) jsonTime(member string) string {
	return fmt.Sprintf("TRY_CAST(replace(replace(%s, 'T', ' '), 'Z', '') AS TIMESTAMP)", d.jsonText("answer", member))
}

// A Price is what Athena charges in a region from a day on, as far as rules
// compare by it.
type Price struct {
	Region string // * for every one
	From   string // YYYY-MM-DD
	Rank   int    // of several that hold on a day, the smallest goes before

	PerDPUHour string // of reserved capacity, a decimal; empty where it is not known
	PerTB      string // of SQL on demand, likewise
	Currency   string

	// Megabyte and MegabytesPerTB are the units that SQL is charged in.
	Megabyte, MegabytesPerTB int64
}

// CapacityPrices returns the prices of reserved capacity.
func (p *page) CapacityPrices() []Price {
	return filterPrices(p.prices, func(x Price) string { return x.PerDPUHour })
}

// SQLPrices returns the prices of SQL on demand.
func (p *page) SQLPrices() []Price {
	return filterPrices(p.prices, func(x Price) string { return x.PerTB })
}

func filterPrices(prices []Price, of func(Price) string) (list []Price) {
	for _, x := range prices {
		if of(x) != "" {
			list = append(list, x)
		}
	}
	return list
}

// A grantRow names the columns by which a list of grants can be cut.
type grantRow struct {
	Principal  string `parquet:"principal"`
	Holder     string `parquet:"holder"`
	TableName  string `parquet:"table_name"`
	AccountID  string `parquet:"account_id"`
	RegionName string `parquet:"region_name"`
	KnownFrom  string `parquet:"known_from"`
}

func unusedAccessView() View {
	return View{
		Name: "unused-access", Summary: "who holds access to a table or to all of a database and did not read it in the window, those first who never did; by Lake Formation, or the file of grants",
		Columns: columns(
			format.Column{Name: "holder_name", Title: "holder", Kind: format.Text, Help: "the last part of the principal"},
			format.Column{Name: "holder", Title: "is a", Kind: format.Text, Help: "role, user, saml_user, identity_center_user; everybody is IAM_ALLOWED_PRINCIPALS: whomever IAM allows; group, account and other name no one whose reads could be told apart"},
			format.Column{Name: "table_name", Title: "table", Kind: format.Text, Help: "catalog.database.table, or catalog.database.* for all tables of a database"},
			wide(account), region,
			format.Column{Name: "permissions", Kind: format.Text, Help: "those of Lake Formation; without SELECT or ALL there is no access to rows, and no row here"},
			wide(format.Column{Name: "may_grant", Title: "may grant", Kind: format.Bool, Help: "may pass some of it on"}),
			format.Column{Name: "last_read", Title: "last read", Kind: format.Time, Help: "ever, by the holder, as far as the lake goes back"},
			format.Column{Name: "days_unread", Title: "days unread", Kind: format.Count, Help: "whole days from the last read to the window's end; empty where there was none"},
			format.Column{Name: "matched_by", Title: "told by", Kind: format.Text, Help: "how reads are known to be the holder's: role, user, session name or user id; any read where they cannot be told apart, so that nobody at all read it"},
			format.Column{Name: "last_used", Title: "last seen", Kind: format.Time, Help: "the holder's newest execution of any kind; empty where the lake knows none"},
			format.Column{Name: "people", Kind: format.Count, Help: "different humans whom the lake has seen behind the holder"},
			format.Column{Name: "last_person", Title: "last person", Kind: format.Text, Help: "the newest of these"},
			format.Column{Name: "readers", Kind: format.Count, Help: "different humans who read it in the window, by whatever access"},
			wide(format.Column{Name: "known_from", Title: "known from", Kind: format.Text, Help: "lake_formation or file"}),
			wide(format.Column{Name: "principal", Kind: format.Text, Help: "as it was granted to"})),
		source: "catalog_grants", Limit: manyRows,
	}
}
