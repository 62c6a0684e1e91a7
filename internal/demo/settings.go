package demo

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

// Directory returns the company's directory, as the configuration's key
// directory takes it: who is behind the ids that records and BI tools have.
func Directory() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write([]string{"id", "name", "email", "team", "valid_from", "valid_to"})
	team := map[string]string{}
	for _, p := range people {
		team[p.email()] = p.team
		w.Write([]string{"identity_center:" + p.userID(), "", p.email(), p.team, "", ""})
	}
	for _, id := range [...][3]string{
		{"source_identity:felix@example.com", "felix@example.com", "platform"},
		{"redash:bea@example.com", "bea@example.com", "bi"},
		{"redash:samir@example.com", "samir@example.com", "bi"},
		{"iam_user:tomas", "", "finance"},
		{"iam_user:wanda", "", "platform"},
	} {
		team[id[1]] = id[2]
		w.Write([]string{id[0], "", id[1], id[2], "", ""})
	}
	for _, tool := range []struct {
		name  string
		users map[int]string
	}{{"looker", lookerUsers}, {"metabase", metabaseUsers}} {
		for _, id := range sortedKeys(tool.users) {
			email := tool.users[id]
			w.Write([]string{fmt.Sprintf("%s:%d", tool.name, id), "", email, team[email], "", ""})
		}
	}
	w.Flush()
	return b.String()
}

func sortedKeys(m map[int]string) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Configuration returns the company's athenatrail.yaml, for a lake at that
// place and the directory, the tables and the grants beside it.
func Configuration(lake, directory, tables, grants string) string {
	return fmt.Sprintf(`# The configuration of the demo's invented company. Copy what you like: every
# key is in docs/configuration.md.
version: 1
lake: %q

# Who is behind the ids of Identity Center, Metabase and Looker, and people's
# teams.
directory: %q

# Which tables there are and who may read them: what the Glue Data Catalog and
# Lake Formation would say, if they were asked.
catalog:
  file: %q
  grants_file: %q

# The first rule that matches gives the team. Whom none matches is in the team
# that the directory names, or unassigned.
teams:
  - {team: bi, work_group: bi}
  - {team: bi, tool: quicksight}
  - {team: audit, work_group: audit}
  - {team: partners, work_group: partners}
  - {team: platform, work_group: etl}
  - {team: finance, role: "sfn-*"}
  - {team: finance, role: close-writer}

# Columns by which large tables are partitioned: report findings looks for scans
# without a condition on them.
partition_columns:
  raw.clickstream: dt

# How much may be used. All of them only observe: see athenatrail limits status,
# and what they would have done with athenatrail limits simulate.
limits:
  - name: people-week
    match: {person_kind: human}
    per: person
    measure: scanned_bytes
    window: 7d
    amount: 5 TiB
    thresholds:
      - 50%%: notify
      - 100%%: stop
      - 120%%: block
  - name: teams-week
    per: team
    measure: cost
    window: 7d
    amount: 60 USD
    thresholds:
      - 75%%: notify
      - 100%%: notify
  - name: notebooks-month
    match: {team: data-science}
    per: team
    measure: dpu_time
    window: 30d
    amount: 150 h
    thresholds:
      - 80%%: notify

# Whom no limit ever stops or blocks: the jobs of the night.
protect: [airflow-worker, "arn:aws:iam::*:role/sfn-*"]
`, lake, directory, tables, grants)
}
