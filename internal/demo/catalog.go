package demo

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A CatalogTable is one that the company's Data Catalog has.
type CatalogTable struct {
	AccountID, Region string
	Name              string // database.table
	Format            string
	PartitionColumns  []string
	Bytes             int64
	Created           string // a day
	View              bool
}

// A Grant is who holds access to a table, or to all of a database, in the
// finance account, whose tables Lake Formation governs.
type Grant struct {
	Principal   string
	Database    string
	Table       string // empty: all of the database
	Permissions []string
}

// formats are those that are not Parquet. The raw data is as it came.
var formats = map[string]string{
	"raw.app_events": "json", "raw.payments_json": "json", "raw.orders_json": "json", "raw.clickstream": "csv", "raw.mobile_events": "csv",
	"sales.refunds": "csv", "sales.orders_2019": "csv", "web.legacy_hits": "json", "finance.archive_2019": "csv",
}

var partitioned = map[string][]string{
	"raw.app_events": {"dt", "hour"}, "raw.clickstream": {"dt"}, "raw.payments_json": {"dt"}, "raw.orders_json": {"dt", "hour"},
	"web.page_views": {"dt"}, "web.sessions": {"dt"}, "web.searches": {"dt"}, "web.legacy_hits": {"dt"},
}

// forgotten are the tables that nobody names any more.
var forgotten = []CatalogTable{
	{AccountID: Analytics, Region: US, Name: "sales.orders_2019", Bytes: 800 * gb, Created: "2019-02-11"},
	{AccountID: Analytics, Region: US, Name: "ml.scores_v1", Bytes: 90 * gb, Created: "2024-06-03"},
	{AccountID: Analytics, Region: EU, Name: "web.legacy_hits", Bytes: 3200 * gb, Created: "2018-09-24"},
	{AccountID: Finance, Region: US, Name: "finance.archive_2019", Bytes: 120 * gb, Created: "2020-01-07"},
	{AccountID: Finance, Region: US, Name: "finance.v_close", Created: "2021-04-01", View: true},
}

// Catalog returns the tables of the company's Data Catalogs, by account, region
// and name. Temporary tables come and go between the days that it is asked.
func (c *Company) Catalog() []CatalogTable {
	var names []string
	for _, list := range shapes {
		for _, s := range list {
			names = append(names, strings.Fields(s.reads)...)
		}
	}
	for _, n := range nodes {
		names = append(names, strings.Fields(n.reads)...)
	}
	names = append(names, "raw.mobile_events", "sales.mobile_orders", "sales.receipts", "sales.receipts_archive", "sales.registers", "web.returns", "finance.ledger_archive")
	slices.Sort(names)
	list := slices.Clone(forgotten)
	for _, name := range slices.Compact(names) {
		account := Analytics
		if strings.HasPrefix(name, "finance.") {
			account = Finance
		}
		for _, region := range []string{US, EU} {
			h := hexOf(account + region + name)
			list = append(list, CatalogTable{AccountID: account, Region: region, Name: name, Bytes: int64(h[0])*int64(h[1])*gb/64 + int64(h[2])*mb, Created: "2023-05-02"})
		}
	}
	for i := range list {
		t := &list[i]
		t.PartitionColumns = partitioned[t.Name]
		if t.Format = "parquet"; formats[t.Name] != "" {
			t.Format = formats[t.Name]
		}
		if t.View {
			t.Format = ""
		}
	}
	slices.SortFunc(list, func(a, b CatalogTable) int {
		return strings.Compare(a.AccountID+a.Region+" "+a.Name, b.AccountID+b.Region+" "+b.Name)
	})
	return list
}

// Grants returns who holds access in the finance account.
func (c *Company) Grants() []Grant {
	role := func(name string) string { return "arn:aws:iam::" + Finance + ":role/" + name }
	analyst := "aws-reserved/sso.amazonaws.com/" + EU + "/AWSReservedSSO_FinanceAnalyst_" + strings.ToLower(hexOf(Finance + "FinanceAnalyst"))[:16]
	read := []string{"DESCRIBE", "SELECT"}
	return []Grant{
		{role(analyst), "finance", "", read},
		{role("ExternalAuditor"), "finance", "ledger", read},
		{role("ExternalAuditor"), "finance", "archive_2019", read},
		{role("sfn-daily-close"), "finance", "ledger", read},
		{role("close-writer"), "finance", "ledger_archive", []string{"INSERT", "SELECT"}},
		{role("aws-reserved/sso.amazonaws.com/" + EU + "/AWSReservedSSO_Treasury_0123456789abcdef"), "finance", "payouts", read},
		{role("catalog-reader"), "finance", "ledger", []string{"DESCRIBE"}},
		{"arn:aws:iam::" + Finance + ":user/tomas", "finance", "", read},
		{"arn:aws:iam::" + Finance + ":user/former", "finance", "invoices", read},
		{"IAM_ALLOWED_PRINCIPALS", "finance", "ledger", []string{"ALL"}},
		{"IAM_ALLOWED_PRINCIPALS", "finance", "archive_2019", []string{"ALL"}},
	}
}

// Tables returns the catalog as the configuration's key catalog.file takes it.
func (c *Company) Tables() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write([]string{"account_id", "region_name", "database", "table", "type", "format", "partition_columns", "bytes", "created"})
	for _, t := range c.Catalog() {
		database, table, _ := strings.Cut(t.Name, ".")
		kind, size := "table", fmt.Sprint(t.Bytes)
		if t.View {
			kind, size = "view", ""
		}
		w.Write([]string{t.AccountID, t.Region, database, table, kind, t.Format, strings.Join(t.PartitionColumns, " "), size, t.Created})
	}
	w.Flush()
	return b.String()
}

// Permissions returns the grants as "aws lakeformation list-permissions" prints
// them.
func (c *Company) Permissions() string {
	type object = map[string]any
	list := []any{}
	for _, g := range c.Grants() {
		table := object{"CatalogId": Finance, "DatabaseName": g.Database, "Name": g.Table}
		if g.Table == "" {
			table["Name"], table["TableWildcard"] = "ALL_TABLES", object{}
		}
		list = append(list, object{"Principal": object{"DataLakePrincipalIdentifier": g.Principal}, "Resource": object{"Table": table},
			"Permissions": g.Permissions, "PermissionsWithGrantOption": []string{}})
	}
	text, err := json.MarshalIndent(object{"PrincipalResourcePermissions": list}, "", "  ")
	if err != nil {
		panic(err) // texts and lists of them have a JSON
	}
	return string(text) + "\n"
}
