package report

import (
	"fmt"

	"github.com/athenatrail/athenatrail/internal/format"
)

// newest returns a SELECT of columns of what was told last of each subject of a
// kind. What an answer leaves out was taken over from the one before when it
// was stored, so the last one has all.
func newest(kind, subject, columns string) string {
	return fmt.Sprintf(`SELECT %s
FROM (
    SELECT reference.*, row_number() OVER (PARTITION BY %s ORDER BY dt DESC) AS place
    FROM reference
    WHERE kind = '%s'
) AS told
WHERE place = 1`, columns, subject, kind)
}

// accountsView has every account that something was told of.
func accountsView(d dialect) string {
	return newest("account", "id", fmt.Sprintf(`id AS account_id,
    %s AS account_name,
    %s AS ou,
    %s AS account_state`,
		d.jsonText("answer", "Name"), d.jsonText("answer", "OU"), d.jsonText("answer", "State")))
}

// workGroupsView has every work group that Athena told something of.
func workGroupsView(d dialect) string {
	configuration := func(member string) string { return d.jsonText("answer", "WorkGroup.Configuration."+member) }
	truth := func(member string) string { return fmt.Sprintf("CAST(%s AS BOOLEAN)", configuration(member)) }
	return newest("work_group", "account_id, region_name, id", fmt.Sprintf(`id AS work_group_name, account_id, region_name,
    %s AS work_group_state,
    TRY_CAST(%s AS BIGINT) AS bytes_scanned_cutoff,
    %s AS settings_enforced,
    %s AS engine_selected,
    %s AS engine_effective,
    %s AS output_location,
    %s AS encryption_option,
    %s AS requester_pays,
    %s AS publishes_metrics,
    %s AS execution_role,
    %s AS identity_center_application`,
		d.jsonText("answer", "WorkGroup.State"), configuration("BytesScannedCutoffPerQuery"), truth("EnforceWorkGroupConfiguration"),
		configuration("EngineVersion.SelectedEngineVersion"), configuration("EngineVersion.EffectiveEngineVersion"),
		configuration("ResultConfiguration.OutputLocation"), configuration("ResultConfiguration.EncryptionConfiguration.EncryptionOption"),
		truth("RequesterPaysEnabled"), truth("PublishCloudWatchMetricsEnabled"), configuration("ExecutionRole"),
		d.jsonText("answer", "WorkGroup.IdentityCenterApplicationArn")))
}

// workGroupSettings are what the ranking of work groups shows of them.
func workGroupSettings() []format.Column {
	return []format.Column{
		{Name: "bytes_scanned_cutoff", Title: "cutoff", Kind: format.Bytes, Help: "the most that one query may scan, as Athena said last; empty where there is none or it was not asked (directory.work_groups)"},
		wide(format.Column{Name: "settings_enforced", Title: "enforced", Kind: format.Bool, Help: "whether the work group's settings go before the caller's own"}),
		wide(format.Column{Name: "engine_effective", Title: "engine", Kind: format.Text, Help: "the version that queries run on"}),
		wide(format.Column{Name: "work_group_state", Title: "state", Kind: format.Text, Help: "ENABLED or DISABLED"}),
	}
}

func accountsRanking() View {
	gapCount := func(name, title, help string) format.Column {
		return wide(format.Column{Name: name, Title: title, Kind: format.Count, Help: help})
	}
	return View{
		Name: "accounts", Summary: "accounts by cost, with their names, or organizational units (--by ou); and what is not complete of each",
		Columns: columns(account,
			format.Column{Name: "account_name", Title: "name", Kind: format.Text, Help: "of the configuration, its file or Organizations; as it was told last"},
			format.Column{Name: "ou", Kind: format.Text, Help: "the organizational unit's path, likewise"},
			wide(format.Column{Name: "account_state", Title: "state", Kind: format.Text, Help: "as Organizations said last"}),
			wide(format.Column{Name: "accounts", Kind: format.Count, Help: "different accounts"}), people,
			amounts(), spark(),
			format.Column{Name: "incomplete", Kind: format.Count, Help: "executions that lack a half: the sum of the next four, and those that Athena would not tell of"},
			gapCount("waiting", "", "not asked for yet, or not ended when Athena was asked: gap no_detail or pending"),
			gapCount("no_access", "no access", "gap no_access: no role into the account, or not allowed to ask"),
			gapCount("expired", "", "gap expired: Athena has forgotten them"),
			gapCount("no_event", "no event", "gap no_event: the trail lacks the start"),
			wide(lastSeen)),
		By: []string{"account_id", "ou"}, DefaultBy: []string{"account_id"},
		source: "query_executions", rollup: true, before: true, Limit: manyRows,
	}
}
