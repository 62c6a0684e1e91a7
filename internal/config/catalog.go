package config

import "strconv"

// A Catalog says where athenatrail learns which tables there are and who holds
// access to them.
type Catalog struct {
	Glue          bool // ask the Glue Data Catalog for tables
	LakeFormation bool // ask Lake Formation for permissions

	// File is a CSV of tables on disk, for accounts where Glue may not be
	// asked, and GrantsFile a CSV or JSON of who holds access. Empty: none.
	File       string
	GrantsFile string
}

func setCatalog(c *Config, path string, n node) []error {
	yes := func(field *bool) func(*Config, string, node) []error {
		return one(func(_ *Config, text string) string {
			*field = text == "true"
			return oneOf("true", "false")(text)
		})
	}
	return eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"glue":           yes(&c.Catalog.Glue),
		"lake_formation": yes(&c.Catalog.LakeFormation),
		"file":           setFile(&c.Catalog.File, "CSV"),
		"grants_file":    setFile(&c.Catalog.GrantsFile, "CSV or JSON"),
	})
}

func showCatalog(c *Config) []shown {
	k := &c.Catalog
	lines := []shown{{"catalog.glue", strconv.FormatBool(k.Glue)}, {"catalog.lake_formation", strconv.FormatBool(k.LakeFormation)}}
	lines = append(lines, given("catalog.", "file", k.File)...)
	return append(lines, given("catalog.", "grants_file", k.GrantsFile)...)
}
