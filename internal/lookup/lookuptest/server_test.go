package lookuptest_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"

	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
)

const own, other = "111122223333", "444455556666"

var now = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func caller(key string) (lookuptest.Caller, bool) {
	account, ok := strings.CutPrefix(key, "AKIA")
	return lookuptest.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}, ok
}

func started(t *testing.T, c lookuptest.Config, events ...lookuptest.Event) *lookuptest.Server {
	t.Helper()
	c.Caller, c.Now = caller, func() time.Time { return now }
	s, err := lookuptest.Start(c, events...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func client(s *lookuptest.Server, key, region string) *cloudtrail.Client {
	return cloudtrail.New(cloudtrail.Options{
		Region: region, BaseEndpoint: &s.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, "any", ""),
	})
}

func named(name string) []types.LookupAttribute {
	return []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: &name}}
}

// events returns one event a second, up to a second before now.
func events(count int, name string) (all []lookuptest.Event) {
	for i := range count {
		all = append(all, lookuptest.Event{
			Account: own, Region: "eu-west-1", ID: fmt.Sprintf("%s-%03d", name, i), Name: name, Time: now.Add(time.Duration(i-count) * time.Second), Record: "{}",
		})
	}
	return all
}

var unlimited = lookuptest.Rate{PerSecond: 1e9, Burst: 1 << 30}

func ids(out *cloudtrail.LookupEventsOutput) (all []string) {
	for _, e := range out.Events {
		all = append(all, *e.EventId)
	}
	return all
}

// The pages of a query hold all of its events, the newest first, whatever
// their sizes.
func TestPages(t *testing.T) {
	for name, size := range map[string]func(int) int{"whole": nil, "short": func(n int) int { return 7 }, "some empty": func(n int) int { return n % 3 * 20 }} {
		s := started(t, lookuptest.Config{Rate: unlimited, PageSize: size}, append(events(120, "A"), events(30, "B")...)...)
		var got []string
		in := &cloudtrail.LookupEventsInput{LookupAttributes: named("A"), StartTime: aws.Time(now.Add(-100 * time.Second)), EndTime: aws.Time(now.Add(-11 * time.Second))}
		for pages := 0; ; pages++ {
			out, err := client(s, "AKIA"+own, "eu-west-1").LookupEvents(t.Context(), in)
			if err != nil || pages > 100 {
				t.Fatal(err, pages)
			}
			got = append(got, ids(out)...)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		var want []string
		for i := 109; i >= 20; i-- { // both ends included
			want = append(want, fmt.Sprintf("A-%03d", i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
		if c := s.Counts(); c.Repeated != 0 || c.Events != len(want) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := started(t, lookuptest.Config{Rate: unlimited}, events(200, "A")...)
	c := client(s, "AKIA"+own, "eu-west-1")
	query := func(change func(in *cloudtrail.LookupEventsInput)) *cloudtrail.LookupEventsInput {
		in := &cloudtrail.LookupEventsInput{LookupAttributes: named("A"), StartTime: aws.Time(now.Add(-time.Hour)), EndTime: &now, MaxResults: aws.Int32(50)}
		change(in)
		return in
	}
	first, err := c.LookupEvents(t.Context(), query(func(*cloudtrail.LookupEventsInput) {}))
	if err != nil || first.NextToken == nil {
		t.Fatal(err, first)
	}
	for _, tt := range []struct {
		code   string
		client *cloudtrail.Client
		change func(in *cloudtrail.LookupEventsInput)
	}{
		{"InvalidLookupAttributesException", c, func(in *cloudtrail.LookupEventsInput) {
			in.LookupAttributes = append(in.LookupAttributes, named("B")...)
		}},
		{"InvalidLookupAttributesException", c, func(in *cloudtrail.LookupEventsInput) { in.LookupAttributes[0].AttributeKey = "Color" }},
		{"InvalidLookupAttributesException", c, func(in *cloudtrail.LookupEventsInput) { in.LookupAttributes = named(strings.Repeat("a", 2001)) }},
		{"InvalidMaxResultsException", c, func(in *cloudtrail.LookupEventsInput) { in.MaxResults = aws.Int32(51) }},
		{"InvalidMaxResultsException", c, func(in *cloudtrail.LookupEventsInput) { in.MaxResults = aws.Int32(0) }},
		{"InvalidTimeRangeException", c, func(in *cloudtrail.LookupEventsInput) { in.EndTime = aws.Time(in.StartTime.Add(-time.Second)) }},
		{"InvalidEventCategoryException", c, func(in *cloudtrail.LookupEventsInput) { in.EventCategory = "management" }},
		{"InvalidNextTokenException", c, func(in *cloudtrail.LookupEventsInput) { in.NextToken = aws.String("x") }},
		{"InvalidNextTokenException", c, func(in *cloudtrail.LookupEventsInput) {
			in.NextToken, in.LookupAttributes = first.NextToken, named("B")
		}},
		{"InvalidNextTokenException", c, func(in *cloudtrail.LookupEventsInput) {
			in.NextToken, in.StartTime = first.NextToken, aws.Time(in.StartTime.Add(time.Second))
		}},
		{"InvalidNextTokenException", c, func(in *cloudtrail.LookupEventsInput) {
			in.NextToken, in.EndTime = first.NextToken, aws.Time(in.EndTime.Add(-time.Second))
		}},
		{"InvalidNextTokenException", c, func(in *cloudtrail.LookupEventsInput) {
			in.NextToken, in.MaxResults = first.NextToken, aws.Int32(49)
		}},
		{"InvalidNextTokenException", client(s, "AKIA"+own, "us-east-1"), func(in *cloudtrail.LookupEventsInput) { in.NextToken = first.NextToken }},
		{"InvalidNextTokenException", client(s, "AKIA"+other, "eu-west-1"), func(in *cloudtrail.LookupEventsInput) { in.NextToken = first.NextToken }},
		{"UnrecognizedClientException", client(s, "unknown", "eu-west-1"), func(*cloudtrail.LookupEventsInput) {}},
	} {
		_, err := tt.client.LookupEvents(t.Context(), query(tt.change))
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != tt.code {
			t.Errorf("%v, want %s", err, tt.code)
		}
	}
}

// A caller sees the own account's events in one region, of the last 90 days,
// once they have appeared.
func TestScope(t *testing.T) {
	at := func(id, account, region string, ago, appears time.Duration) lookuptest.Event {
		e := lookuptest.Event{ID: id, Account: account, Region: region, Name: "A", Time: now.Add(-ago), Record: "{}"}
		if appears != 0 {
			e.Appears = now.Add(appears)
		}
		return e
	}
	s := started(t, lookuptest.Config{Rate: unlimited},
		at("a", own, "eu-west-1", time.Hour, 0), at("b", own, "us-east-1", time.Hour, 0), at("c", other, "eu-west-1", time.Hour, 0),
		at("d", own, "eu-west-1", lookuptest.History, 0), at("e", own, "eu-west-1", lookuptest.History+time.Second, 0),
		at("f", own, "eu-west-1", time.Hour, time.Minute), at("g", own, "eu-west-1", time.Hour, -time.Minute))
	for _, tt := range []struct{ account, region, want string }{
		{own, "eu-west-1", "g a d"}, {own, "us-east-1", "b"}, {other, "eu-west-1", "c"}, {other, "us-east-1", ""},
	} {
		out, err := client(s, "AKIA"+tt.account, tt.region).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(ids(out), " "); got != tt.want {
			t.Errorf("%s in %s: %s, want %s", tt.account, tt.region, got, tt.want)
		}
	}
}

// The rate is that of all callers of an account and region together; its error
// has the status 400.
func TestRate(t *testing.T) {
	s := started(t, lookuptest.Config{})
	ask := func(region string) error {
		_, err := client(s, "AKIA"+own, region).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
		return err
	}
	for range 2 {
		if err := ask("eu-west-1"); err != nil {
			t.Fatal(err)
		}
	}
	err := ask("eu-west-1")
	var api smithy.APIError
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &api) || api.ErrorCode() != "ThrottlingException" || !errors.As(err, &response) || response.HTTPStatusCode() != http.StatusBadRequest {
		t.Errorf("%v", err)
	}
	if err := ask("us-east-1"); err != nil {
		t.Errorf("another region: %v", err)
	}
	if c := s.Counts(); c.Calls != 4 || c.Throttled != 1 || c.Pages != 3 {
		t.Errorf("%+v", c)
	}
}

func TestParseEvent(t *testing.T) {
	record := `{"eventID":"e-1","eventTime":"2026-11-03T10:00:00Z","eventName":"StartQueryExecution","eventSource":"athena.amazonaws.com","awsRegion":"eu-west-1",` +
		`"recipientAccountId":"111122223333","readOnly":false,"userIdentity":{"accountId":"444455556666","accessKeyId":"ASIAEXAMPLE","userName":"rosa"}}`
	e, err := lookuptest.ParseEvent([]byte(record))
	want := lookuptest.Event{
		Account: own, Region: "eu-west-1", ID: "e-1", Time: now.Add(-2 * time.Hour), Name: "StartQueryExecution", Source: "athena.amazonaws.com",
		Username: "rosa", AccessKeyID: "ASIAEXAMPLE", ReadOnly: "false", Record: record,
	}
	if err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	for _, bad := range []string{"", "{}", `{"eventTime":"yesterday"}`, `{"eventTime":"2026-11-03T10:00:00Z","awsRegion":"eu-west-1"}`} {
		if _, err := lookuptest.ParseEvent([]byte(bad)); err == nil {
			t.Errorf("%q is an event", bad)
		}
	}
}
