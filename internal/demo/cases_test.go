package demo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCases finds each thing that the company is for in what was written.
func TestCases(t *testing.T) {
	c, all := trail(t)
	found := map[string]int{}
	has := func(name string, is bool) {
		n := found[name]
		if is {
			n++
		}
		found[name] = n
	}
	ids := map[string][]record{}
	started := map[string][]record{}
	issued := map[string]bool{} // access keys from STS records whose caller is no service
	expires := map[string]time.Time{}
	late := map[int]int{}
	contents := map[string][]string{}
	for _, r := range all {
		ids[r.EventID] = append(ids[r.EventID], r)
		contents[r.file] = append(contents[r.file], r.EventID)
		at, err := time.Parse(time.RFC3339, r.EventTime)
		if err != nil || at.Before(firstDay) || at.After(c.Now) {
			t.Fatalf("event %s is of %s: %v", r.EventID, r.EventTime, err)
		}
		folder, _ := time.Parse("2006/01/02", fileName.FindStringSubmatch(r.file)[3])
		late[int(folder.Sub(at.Truncate(24*time.Hour)).Hours()/24)]++

		u := r.UserIdentity
		if created := u.SessionContext.Attributes.CreationDate; created.After(at) {
			t.Errorf("event %s of %s is signed by a session of %s", r.EventID, r.EventTime, created)
		}
		if r.EventSource == stsSource && u.Type != "AWSService" {
			var answer struct {
				Credentials struct{ AccessKeyID, Expiration string }
			}
			json.Unmarshal(r.ResponseElements, &answer)
			issued[answer.Credentials.AccessKeyID] = true
			expires[answer.Credentials.AccessKeyID], err = time.Parse(expiryLayout, answer.Credentials.Expiration)
			if err != nil {
				t.Errorf("event %s: %v", r.EventID, err)
			}
		}
		has("AssumeRole by an AWS service", r.EventSource == stsSource && u.Type == "AWSService")
		has("AssumeRole across accounts, the caller's copy", r.EventName == "AssumeRole" && r.SharedEventID != "" && u.Type == "AssumedRole")
		has("AssumeRole across accounts, the other copy", r.EventName == "AssumeRole" && r.SharedEventID != "" && u.Type == "AWSAccount")
		has("AssumeRoleWithSAML", r.EventName == "AssumeRoleWithSAML")
		has("GetFederationToken", r.EventName == "GetFederationToken")
		has("GetDataAccess", r.EventName == "GetDataAccess" && strings.Contains(string(r.RequestParameters), `"{queryId: `))
		has("another service's, invoked by Athena", r.EventSource != athenaSource && u.InvokedBy == athenaSource && r.SourceIPAddress == athenaSource && r.UserAgent == athenaSource)
		has("another service's, Athena in the parameters", r.EventSource != athenaSource && bytes.Contains(r.RequestParameters, []byte(`"eventSource":"athena.amazonaws.com"`)))
		has("another service's, Athena in the agent", r.EventSource != athenaSource && strings.Contains(r.UserAgent, `eventSource":"athena`))
		for _, source := range []string{"s3", "glue", "kms"} {
			has(source+" for Athena", r.EventSource == source+".amazonaws.com" && u.InvokedBy == athenaSource)
		}
		has("addendum DELIVERY_DELAY", r.Addendum != nil && r.Addendum.Reason == "DELIVERY_DELAY" && r.Addendum.OriginalEventID != r.EventID)
		has("addendum UPDATED_DATA", r.Addendum != nil && r.Addendum.Reason == "UPDATED_DATA" && r.Addendum.UpdatedFields != "")
		if r.EventSource != athenaSource {
			continue
		}
		if r.EventName == "StartQueryExecution" {
			var answer struct{ QueryExecutionID string }
			json.Unmarshal(r.ResponseElements, &answer)
			if answer.QueryExecutionID != "" {
				started[answer.QueryExecutionID] = append(started[answer.QueryExecutionID], r)
			}
			has("denied, newer form", r.ErrorCode == "AccessDeniedException" && string(r.ResponseElements) == "null" && strings.Contains(r.line, "is not authorized to perform: athena:StartQueryExecution on resource: arn:aws:athena:"))
			has("denied, older form", r.ErrorCode == "AccessDenied" && string(r.ResponseElements) == "null" && strings.Contains(r.line, "You are not authorized to perform"))
			has("failed start", r.ErrorCode == "InvalidRequestException" && string(r.ResponseElements) == "null")
			has("masked SQL", bytes.Contains(r.RequestParameters, []byte(`"queryString":"***OMITTED***"`)))
			has("no work group in the call", !bytes.Contains(r.RequestParameters, []byte(`"workGroup"`)))
		}
		has("single sign-on", strings.Contains(r.line, ":assumed-role/AWSReservedSSO_"))
		has("onBehalfOf", u.OnBehalfOf["userId"] != "")
		has("IAM user", u.Type == "IAMUser")
		has("root", u.Type == "Root")
		has("federated user", u.Type == "FederatedUser")
		has("sourceIdentity", u.SessionContext.SourceIdentity != "")
		has("Lambda", u.InScopeOf["credentialsIssuedTo"] != "" && strings.Contains(r.UserAgent, "exec-env/AWS_Lambda"))
		has("Step Functions", u.InvokedBy == "states.amazonaws.com")
		has("instance profile", u.SessionContext.Ec2RoleDelivery == "2.0" && strings.Contains(u.PrincipalID, ":i-") && strings.Contains(r.UserAgent, "DagRunKey/"))
		has("Glue", strings.HasSuffix(u.PrincipalID, ":GlueJobRunnerSession"))
		has("QuickSight", strings.Contains(u.PrincipalID, ":QuickSight-RoleSession-"))
		has("dbt's agent", strings.Contains(r.UserAgent, "dbt-athena/") && strings.Contains(r.UserAgent, "PyAthena/"))
		has("an AI agent", r.EventType == "AwsMcpEvent" && u.InvokedBy == "aws-mcp.amazonaws.com")
		has("the console", strings.HasSuffix(r.line, `"sessionCredentialFromConsole":"true"}`))
		has("a VPC endpoint", strings.Contains(r.line, `"vpcEndpointId":"vpce-`))
		has("StartSession", r.EventName == "StartSession" && bytes.Contains(r.ResponseElements, []byte(`"sessionId"`)) && !strings.Contains(u.PrincipalID, "AthenaExecutor-"))
		has("cells", (r.EventName == "StartCalculationExecution" || r.EventName == "UpdateNotebook") && strings.Contains(u.PrincipalID, ":AthenaExecutor-"))
		has("ImportNotebook", r.EventName == "ImportNotebook")
		has("TerminateSession", r.EventName == "TerminateSession")
		has("TerminateSession from another account", r.EventName == "TerminateSession" && r.ErrorCode == "ResourceNotFoundException" && r.RecipientAccountID == Finance)
		for _, name := range []string{"GetSessionEndpoint", "GetResourceDashboard", "StopCalculationExecution", "CreateNotebook", "UpdateNotebookMetadata", "ExportNotebook", "DeleteNotebook", "CreatePresignedNotebookUrl"} {
			has(name, r.EventName == name && r.ErrorCode == "")
		}
		has("cells that a person starts", r.EventName == "StartCalculationExecution" && !strings.Contains(u.PrincipalID, "AthenaExecutor-"))
		has("SQL of a notebook", r.EventName == "StartQueryExecution" && strings.Contains(u.PrincipalID, ":AthenaExecutor-"))
		has("an executor elsewhere", strings.Contains(u.PrincipalID, ":AthenaExecutor-") && r.SourceIPAddress != sparkIP)
		has("GetQueryExecution", r.EventName == "GetQueryExecution")
		has("GetQueryResults", r.EventName == "GetQueryResults")
		has("StopQueryExecution", r.EventName == "StopQueryExecution")
		has("our own reads", r.EventName == "BatchGetQueryExecution" && strings.Contains(r.UserAgent, "athenatrail/"))
	}
	for id, copies := range ids {
		has("the same event in two files", len(copies) == 2 && copies[0].file != copies[1].file && copies[0].line == copies[1].line)
		if len(copies) == 2 && copies[0].line != copies[1].line {
			t.Errorf("two records share event id %s", id)
		}
	}
	byContent := map[string]int{}
	for _, events := range contents {
		byContent[strings.Join(events, " ")]++
	}
	for _, n := range byContent {
		has("a file delivered twice", n == 2)
	}
	for id, starts := range started {
		first := starts[0].EventID
		has("two starts with one id", slices.ContainsFunc(starts, func(r record) bool { return r.EventID != first && r.Addendum == nil }) && len(id) == 36)
	}
	found["delivered the next day"], found["delivered two days later"] = late[1], late[2]
	for days := range late {
		if days < 0 || days > 2 {
			t.Errorf("%d records are delivered after %d days", late[days], days)
		}
	}

	// What the answers hold, and who is behind a chain.
	for _, x := range c.runs {
		e, final := x.answer, x.answer.At(c.Now)
		has("pending", x.known && !final.Final())
		has("queued for reserved capacity", x.known && final.Status.State == "QUEUED")
		has("failed execution", final.Status.State == "FAILED" && final.Status.Error != nil)
		has("cancelled execution", final.Status.State == "CANCELLED")
		has("stopped by another", x.truth.StoppedBy != "" && x.truth.StoppedBy != x.truth.Person)
		has("reused result", x.truth.Reused)
		has("DDL", e.StatementType == "DDL")
		has("UTILITY", e.StatementType == "UTILITY")
		has("EXPLAIN", e.SubstatementType == "EXPLAIN")
		has("EXPLAIN ANALYZE", e.SubstatementType == "EXPLAIN_ANALYZE")
		has("CTAS", e.SubstatementType == "CREATE_TABLE_AS_SELECT")
		has("INSERT", e.SubstatementType == "INSERT")
		has("probe", e.Query == "SELECT 1" && x.truth.Probe)
		has("capacity", x.known && e.Statistics != nil && e.Statistics.DPUCount != nil)
		has("unknown to Athena", x.truth.Gap == "expired")
		has("6 TB", x.truth.ScannedBytes != nil && *x.truth.ScannedBytes > 6*tb)
		has("over midnight", e.ID != "" && x.truth.EventTime == "2026-10-20T23:59:59Z" && e.Status.SubmittedAt.Day() == 21)
		has("Redash's comment", strings.HasPrefix(e.Query, "/* Username: "))
		has("Metabase's comment", strings.HasPrefix(e.Query, "-- Metabase:: userID: "))
		has("Looker's comment", strings.HasPrefix(e.Query, "-- Looker Query Context '{"))
		has("QuickSight's comment", strings.HasPrefix(e.Query, "/* QuickSight "))
		has("dbt's comment", strings.HasPrefix(e.Query, `-- /* {"app": "dbt"`) && strings.Contains(e.Query, x.truth.Node))
		has("dbt without a comment", x.truth.Node != "" && strings.HasPrefix(e.Query, "drop table"))
		if x.truth.Rung == roleChain {
			for _, r := range ids[x.truth.EventID] {
				has("role chain", issued[r.UserIdentity.AccessKeyID])
				if end := expires[r.UserIdentity.AccessKeyID]; r.EventTime > end.Format(time.RFC3339) {
					t.Errorf("event %s of %s is signed by a key that ended at %s", r.EventID, r.EventTime, end)
				}
			}
		}
	}
	for _, s := range c.SparkTruths() {
		has("notebook session", len(s.Calculations) > 0 && s.EndedBy != "")
		has("notebook session that timed out", s.EndedBy == "")
		has("notebook session over midnight", slices.Contains(s.Cases, "midnight"))
	}
	for name, n := range found {
		if n == 0 {
			t.Errorf("there is no case of: %s", name)
		}
	}
	if len(found) < 70 {
		t.Errorf("only %d cases were looked for", len(found))
	}
}
