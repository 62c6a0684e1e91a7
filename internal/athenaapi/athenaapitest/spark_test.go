package athenaapitest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

func session(id string, start, idle, end time.Time) athenaapitest.Session {
	return athenaapitest.Session{
		ID: id, WorkGroup: "ml", EngineVersion: "PySpark engine version 3",
		Engine: &athenaapitest.EngineConfiguration{CoordinatorDPUs: 1, AdditionalConfigs: map[string]string{"NotebookId": "book"}},
		Status: athenaapitest.SessionStatus{State: "TERMINATED", Reason: "idle", StartedAt: athenaapitest.Epoch{Time: start},
			IdleSince: athenaapitest.Epoch{Time: idle}, EndedAt: athenaapitest.Epoch{Time: end}},
		Statistics: &athenaapitest.SparkStatistics{DPUMillis: 10_000},
	}
}

func startSpark(t *testing.T, change func(*athenaapitest.Config)) *athenaapitest.Server {
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	sessions := map[string]athenaapitest.Session{
		"ended": session("ended", hour(-10), hour(-4), hour(-2)),
		"idle":  session("idle", hour(-5), hour(-1), hour(5)),
		"busy":  session("busy", hour(-5), hour(1), hour(5)),
		"early": session("early", hour(1), hour(2), hour(5)),
		"old":   session("old", now.AddDate(0, 0, -46), hour(-1), hour(0)),
	}
	calculations := map[string]athenaapitest.Calculation{}
	for i, hours := range []int{-9, -1} {
		id := fmt.Sprint("calc-", i)
		calculations[id] = athenaapitest.Calculation{ID: id, SessionID: "ended", WorkGroup: "ml", Code: "print(1)",
			Status:     athenaapitest.CalculationStatus{State: "COMPLETED", SubmittedAt: athenaapitest.Epoch{Time: hour(hours)}, CompletedAt: athenaapitest.Epoch{Time: hour(hours + 2)}},
			Statistics: &athenaapitest.SparkStatistics{DPUMillis: 100, Progress: "100%"}, Result: &athenaapitest.CalculationResult{StdOut: "s3://b/o"}}
	}
	mine := func(account string) bool { return account == analytics }
	return start(t, store{}, func(c *athenaapitest.Config) {
		c.Spark = athenaapitest.Spark{
			Session: func(account, region, id string) (athenaapitest.Session, bool) {
				x, ok := sessions[id]
				return x, ok && mine(account)
			},
			Calculation: func(account, region, id string) (athenaapitest.Calculation, bool) {
				x, ok := calculations[id]
				return x, ok && mine(account)
			},
			Sessions:         func(_, _, workGroup string) []string { return []string{"early", "busy", "idle", "ended", "old"} },
			NotebookSessions: func(_, _, notebook string) []string { return map[string][]string{"book": {"idle", "ended"}}[notebook] },
			Calculations:     func(_, _, session string) []string { return []string{"calc-1", "calc-0"} },
		}
		c.Tags = func(account, region, workGroup string) []athenaapitest.Tag {
			return []athenaapitest.Tag{{Key: "a", Value: workGroup}, {Key: "b"}}
		}
		if change != nil {
			change(c)
		}
	})
}

func TestGetSession(t *testing.T) {
	c := own(startSpark(t, nil))
	f := func(id string, state types.SessionState, dpus int64, idle, ended bool) {
		t.Helper()
		out, err := c.GetSession(ctx, &athena.GetSessionInput{SessionId: &id})
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		s := out.Status
		if s.State != state || *out.Statistics.DpuExecutionInMillis != dpus || (s.IdleSinceDateTime != nil) != idle || (s.EndDateTime != nil) != ended || *out.WorkGroup != "ml" || out.EngineConfiguration.AdditionalConfigs["NotebookId"] != "book" {
			t.Errorf("%s: %+v, %d DPU-ms", id, s, *out.Statistics.DpuExecutionInMillis)
		}
	}
	f("ended", types.SessionStateTerminated, 10_000, true, true)
	f("idle", types.SessionStateIdle, 5_000, true, false)
	f("busy", types.SessionStateBusy, 5_000, false, false)

	for _, id := range []string{"early", "old", "unknown"} {
		_, err := c.GetSession(ctx, &athena.GetSessionInput{SessionId: &id})
		if m := wantCode(t, err, "ResourceNotFoundException"); m != "Session "+id+" does not exist" {
			t.Error("message:", m)
		}
		var missing *types.ResourceNotFoundException
		if !errors.As(err, &missing) || aws.ToString(missing.ResourceName) != id {
			t.Errorf("%s: %+v", id, missing)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 257), "a b"} {
		_, err := c.GetSession(ctx, &athena.GetSessionInput{SessionId: &id})
		wantCode(t, err, "InvalidRequestException")
	}
	status, err := c.GetSessionStatus(ctx, &athena.GetSessionStatusInput{SessionId: aws.String("idle")})
	if err != nil || status.Status.State != types.SessionStateIdle {
		t.Errorf("status %+v, %v", status, err)
	}
}

func TestGetCalculation(t *testing.T) {
	s := startSpark(t, nil)
	c := own(s)
	get := func(id string) (*athena.GetCalculationExecutionOutput, error) {
		return c.GetCalculationExecution(ctx, &athena.GetCalculationExecutionInput{CalculationExecutionId: &id})
	}
	out, err := get("calc-0")
	if err != nil || out.Status.State != types.CalculationExecutionStateCompleted || *out.SessionId != "ended" || *out.Statistics.DpuExecutionInMillis != 100 || out.Result == nil {
		t.Errorf("got %+v, %v", out, err)
	}
	out, err = get("calc-1")
	if err != nil || out.Status.State != types.CalculationExecutionStateRunning || *out.Statistics.DpuExecutionInMillis != 50 || out.Result != nil || out.Status.CompletionDateTime != nil {
		t.Errorf("got %+v, %v", out, err)
	}
	_, err = get("unknown")
	wantCode(t, err, "ResourceNotFoundException")
	_, err = get(strings.Repeat("x", 37))
	wantCode(t, err, "InvalidRequestException")

	if n := s.Counts("GetCalculationExecutionCode").Requests; n != 0 {
		t.Errorf("code asked for %d times before it was", n)
	}
	code, err := c.GetCalculationExecutionCode(ctx, &athena.GetCalculationExecutionCodeInput{CalculationExecutionId: aws.String("calc-0")})
	if err != nil || *code.CodeBlock != "print(1)" || s.Counts("GetCalculationExecutionCode").Requests != 1 {
		t.Errorf("code %+v, %v", code, err)
	}
	if d := cmp.Diff([]string{"GetCalculationExecution", "GetCalculationExecutionCode"}, s.Operations()); d != "" {
		t.Error("operations (-want +got)\n", d)
	}
}

func TestSparkOfAnotherAccount(t *testing.T) {
	s := startSpark(t, func(c *athenaapitest.Config) {
		c.Keys = append(c.Keys, athenaapitest.Key{ID: "AKIATESTKEY02EXAMPLE", Secret: secret, Account: finance, ARN: "arn:aws:iam::444455556666:user/other"})
	})
	c := client(s, provider("AKIATESTKEY02EXAMPLE", secret))
	_, err := c.GetSession(ctx, &athena.GetSessionInput{SessionId: aws.String("ended")})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = c.GetCalculationExecution(ctx, &athena.GetCalculationExecutionInput{CalculationExecutionId: aws.String("calc-0")})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = c.ListTagsForResource(ctx, &athena.ListTagsForResourceInput{ResourceARN: aws.String("arn:aws:athena:eu-west-1:111122223333:workgroup/ml")})
	wantCode(t, err, "AccessDeniedException")
}

func TestSparkRefusals(t *testing.T) {
	s := startSpark(t, func(c *athenaapitest.Config) {
		c.Deny = func(c athenaapitest.Call) bool { return c.WorkGroup == "ml" }
		c.Rates = map[string]athenaapitest.Rate{"GetCalculationExecution": {PerSecond: 0.001, Burst: 1}}
		c.Fault = func(c athenaapitest.Call) athenaapitest.Fault {
			if c.Operation == "GetSessionStatus" {
				return athenaapitest.Fault{Status: 400, Code: "TooManyRequestsException"}
			}
			return athenaapitest.Fault{}
		}
	})
	c := own(s)
	_, err := c.GetSession(ctx, &athena.GetSessionInput{SessionId: aws.String("ended")})
	if m := wantCode(t, err, "AccessDeniedException"); !strings.Contains(m, "athena:GetSession on resource: arn:aws:athena:eu-west-1:111122223333:workgroup/ml ") {
		t.Error("message:", m)
	}
	_, err = c.GetCalculationExecution(ctx, &athena.GetCalculationExecutionInput{CalculationExecutionId: aws.String("calc-0")})
	wantCode(t, err, "AccessDeniedException")
	_, err = c.GetCalculationExecution(ctx, &athena.GetCalculationExecutionInput{CalculationExecutionId: aws.String("calc-0")})
	wantCode(t, err, "ThrottlingException")
	_, err = c.GetSessionStatus(ctx, &athena.GetSessionStatusInput{SessionId: aws.String("ended")})
	wantCode(t, err, "TooManyRequestsException")
}

func TestSparkLists(t *testing.T) {
	c := own(startSpark(t, nil))
	first, err := c.ListSessions(ctx, &athena.ListSessionsInput{WorkGroup: aws.String("ml"), MaxResults: aws.Int32(2)})
	if err != nil || len(first.Sessions) != 2 || *first.Sessions[0].SessionId != "busy" || first.NextToken == nil {
		t.Fatalf("sessions %+v, %v", first, err)
	}
	rest, err := c.ListSessions(ctx, &athena.ListSessionsInput{WorkGroup: aws.String("ml"), NextToken: first.NextToken})
	if err != nil || len(rest.Sessions) != 1 || *rest.Sessions[0].SessionId != "ended" || rest.NextToken != nil {
		t.Errorf("sessions %+v, %v", rest, err)
	}
	idle, err := c.ListSessions(ctx, &athena.ListSessionsInput{WorkGroup: aws.String("ml"), StateFilter: types.SessionStateIdle})
	if err != nil || len(idle.Sessions) != 1 || *idle.Sessions[0].SessionId != "idle" {
		t.Errorf("idle sessions %+v, %v", idle, err)
	}
	_, err = c.ListSessions(ctx, &athena.ListSessionsInput{WorkGroup: aws.String("ml"), MaxResults: aws.Int32(101)})
	wantCode(t, err, "InvalidRequestException")

	of, err := c.ListNotebookSessions(ctx, &athena.ListNotebookSessionsInput{NotebookId: aws.String("book")})
	if err != nil || len(of.NotebookSessionsList) != 2 || *of.NotebookSessionsList[0].SessionId != "idle" {
		t.Errorf("sessions of the notebook %+v, %v", of, err)
	}
	_, err = c.ListNotebookSessions(ctx, &athena.ListNotebookSessionsInput{NotebookId: aws.String("none")})
	wantCode(t, err, "ResourceNotFoundException")

	ran, err := c.ListCalculationExecutions(ctx, &athena.ListCalculationExecutionsInput{SessionId: aws.String("ended")})
	if err != nil || len(ran.Calculations) != 2 || ran.Calculations[0].Status.State != types.CalculationExecutionStateRunning {
		t.Errorf("calculations %+v, %v", ran, err)
	}
	_, err = c.ListCalculationExecutions(ctx, &athena.ListCalculationExecutionsInput{SessionId: aws.String("unknown")})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestTags(t *testing.T) {
	s := startSpark(t, func(c *athenaapitest.Config) {
		c.TagsPerPage = 1
		c.WorkGroups = func(account, region string) []athenaapitest.WorkGroup { return []athenaapitest.WorkGroup{{Name: "ml"}} }
	})
	list := func(arn string, token *string) (*athena.ListTagsForResourceOutput, error) {
		return own(s).ListTagsForResource(ctx, &athena.ListTagsForResourceInput{ResourceARN: &arn, NextToken: token})
	}
	const ml = "arn:aws:athena:eu-west-1:111122223333:workgroup/ml"
	first, err := list(ml, nil)
	if err != nil || len(first.Tags) != 1 || *first.Tags[0].Value != "ml" || first.NextToken == nil {
		t.Fatalf("tags %+v, %v", first, err)
	}
	second, err := list(ml, first.NextToken)
	if err != nil || len(second.Tags) != 1 || *second.Tags[0].Key != "b" || second.NextToken != nil {
		t.Errorf("tags %+v, %v", second, err)
	}
	_, err = list("arn:aws:athena:eu-west-1:111122223333:workgroup/gone", nil)
	wantCode(t, err, "ResourceNotFoundException")
	for _, arn := range []string{"arn:aws-cn:athena:eu-west-1:111122223333:workgroup/ml", "arn:aws:athena:us-east-1:111122223333:workgroup/ml", "ml"} {
		_, err = list(arn, nil)
		wantCode(t, err, "InvalidRequestException")
	}
	_, err = own(s).ListTagsForResource(ctx, &athena.ListTagsForResourceInput{ResourceARN: aws.String(ml), MaxResults: aws.Int32(10)})
	wantCode(t, err, "InvalidRequestException")
}

func TestTerminateSession(t *testing.T) {
	c := own(startSpark(t, nil))
	f := func(id string, answer, after types.SessionState) {
		t.Helper()
		out, err := c.TerminateSession(ctx, &athena.TerminateSessionInput{SessionId: &id})
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		got, err := c.GetSession(ctx, &athena.GetSessionInput{SessionId: &id})
		if err != nil || out.State != answer || got.Status.State != after || got.Status.EndDateTime == nil {
			t.Errorf("%s: %s, then %+v, %v", id, out.State, got.Status, err)
		}
	}
	f("busy", types.SessionStateTerminating, types.SessionStateTerminated)
	f("busy", types.SessionStateTerminated, types.SessionStateTerminated)
	f("ended", types.SessionStateTerminated, types.SessionStateTerminated)
	_, err := c.TerminateSession(ctx, &athena.TerminateSessionInput{SessionId: aws.String("unknown")})
	wantCode(t, err, "ResourceNotFoundException")
}
