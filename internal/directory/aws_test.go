package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/directory/directorytest"
)

const (
	own      = "111122223333"
	other    = "444455556666"
	storeARN = "arn:aws:identitystore::" + own + ":identitystore/d-0000000001"
	elseARN  = "arn:aws:identitystore::" + own + ":identitystore/d-0000000002"
)

// connect starts a server that knows config, and returns a connection whose
// calls all go there.
func connect(t *testing.T, config directorytest.Config) (*directorytest.Server, *awsconn.Conn) {
	t.Helper()
	config.Keys = map[string]string{"AKIATESTKEY01EXAMPLE": own}
	server := directorytest.Start(config)
	t.Cleanup(server.Close)
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIATESTKEY01EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
	conn, err := awsconn.New(t.Context(), awsconn.Options{UserAgent: "athenatrail/test"})
	if err != nil {
		t.Fatal(err)
	}
	return server, conn
}

// users returns Users who are asked in a region, and the accounts that were
// connected to.
func users(conn *awsconn.Conn, region string) (*directory.Users, *[]string) {
	var asked []string
	return directory.NewUsers(func(ctx context.Context, account string) (aws.Config, error) {
		asked = append(asked, account)
		return conn.Config(ctx, "", region)
	}), &asked
}

func userID(n int) string { return fmt.Sprintf("d2f0c4a4-0000-0000-0000-%012d", n) }

func TestDescribe(t *testing.T) {
	email := func(value string, primary bool) directorytest.Email {
		return directorytest.Email{Value: value, Type: "work", Primary: primary}
	}
	list := []struct {
		user directorytest.User
		want string
	}{
		{directorytest.User{UserName: "rosa", DisplayName: "Rosa <R&D>", Emails: []directorytest.Email{email("r@example.org", false), email("rosa@example.com", true)}},
			`{"Email":"rosa@example.com","Name":"Rosa <R&D>","UserName":"rosa"}`},
		{directorytest.User{UserName: "ada@example.com", Emails: []directorytest.Email{email("ada@example.com", false)}},
			`{"Email":"ada@example.com","UserName":"ada@example.com"}`},
		{directorytest.User{UserName: "lin", Emails: []directorytest.Email{email("a@example.com", false), email("b@example.com", false)}},
			`{"UserName":"lin"}`},
		{directorytest.User{UserName: "odd\nname\x1b", DisplayName: strings.Repeat("é", 1000)},
			`{"Name":"` + strings.Repeat("é", 512) + `","UserName":"odd name"}`},
		{directorytest.User{}, `{}`},
	}
	store := directorytest.Store{ID: "d-0000000001", Region: "eu-west-1"}
	for i, tt := range list {
		tt.user.ID = userID(i)
		store.Users = append(store.Users, tt.user)
	}
	_, conn := connect(t, directorytest.Config{Stores: []directorytest.Store{store}})
	u, asked := users(conn, "eu-west-1")
	for i, tt := range list {
		got, err := u.Describe(t.Context(), storeARN, userID(i))
		if err != nil {
			t.Fatal(err)
		}
		want := athenatrail.Reference{Kind: athenatrail.KindIdentityUser, ID: userID(i), Answer: tt.want}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("user %d (-want +got):\n%s", i, diff)
		}
		if !json.Valid([]byte(got.Answer)) {
			t.Errorf("not JSON: %s", got.Answer)
		}
	}
	if diff := cmp.Diff([]string{own}, *asked); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

func TestUnknownUserAndStore(t *testing.T) {
	server, conn := connect(t, directorytest.Config{Stores: []directorytest.Store{{ID: "d-0000000001", Region: "eu-west-1"}}})
	u, _ := users(conn, "eu-west-1")
	f := func(arn, id string, is error, want string, calls int) {
		t.Helper()
		before := server.Counts("DescribeUser").Requests
		_, err := u.Describe(t.Context(), arn, id)
		if !errors.Is(err, is) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if n := server.Counts("DescribeUser").Requests - before; n != calls {
			t.Errorf("%s: %d calls, want %d", want, n, calls)
		}
	}
	for range 2 { // one user that is missing says nothing of the next
		f(storeARN, userID(7), directory.ErrNotFound,
			"identity store d-0000000001: user d2f0c4a4-0000-0000-0000-000000000007: there is no such user", 1)
	}
	f(storeARN, "../rosa", directory.ErrNotFound, `user "../rosa": there is no such user`, 0)
	f(storeARN, "", directory.ErrNotFound, `user "": there is no such user`, 0)
	f("arn:aws:identitystore::"+own+":identitystore/d-1/../x", userID(1), directory.ErrNoStore,
		`identity store "arn:aws:identitystore::111122223333:identitystore/d-1/../x": there is no such identity store in the region`, 0)
	missing := "identity store d-0000000002: there is no such identity store in the region eu-west-1"
	f(elseARN, userID(1), directory.ErrNoStore, missing, 1)
	f(elseARN, userID(2), directory.ErrNoStore, missing, 0) // no user of it can be there

	inOther, _ := users(conn, "us-east-1")
	if _, err := inOther.Describe(t.Context(), storeARN, userID(1)); !errors.Is(err, directory.ErrNoStore) {
		t.Errorf("another region: %v", err)
	}
}

func TestDescribeIsDenied(t *testing.T) {
	server, conn := connect(t, directorytest.Config{
		Stores: []directorytest.Store{{ID: "d-0000000001", Region: "eu-west-1"}},
		Deny:   func(operation, account string) bool { return operation == "DescribeUser" && account == own },
	})
	u, _ := users(conn, "eu-west-1")
	for i := range 3 {
		_, err := u.Describe(t.Context(), storeARN, userID(i))
		if !awsconn.Denied(err) || errors.Is(err, directory.ErrNotFound) || !strings.HasPrefix(err.Error(), "identity store d-0000000001: not allowed to call identitystore") {
			t.Errorf("error %v", err)
		}
	}
	if c := server.Counts("DescribeUser"); c.Requests != 1 {
		t.Errorf("%d calls, want 1", c.Requests)
	}
}

func TestDescribeWithoutRole(t *testing.T) {
	u := directory.NewUsers(func(context.Context, string) (aws.Config, error) { return aws.Config{}, awsconn.ErrNoRole })
	for range 2 {
		if _, err := u.Describe(t.Context(), storeARN, userID(1)); !errors.Is(err, awsconn.ErrNoRole) {
			t.Errorf("error %v", err)
		}
	}
}

// Throttling is waited out.
func TestThrottled(t *testing.T) {
	store := directorytest.Store{ID: "d-0000000001", Region: "eu-west-1"}
	for i := range 2 {
		store.Users = append(store.Users, directorytest.User{ID: userID(i), UserName: fmt.Sprint("user", i)})
	}
	config := directorytest.Config{
		Stores: []directorytest.Store{store}, PerSecond: 10, Burst: 1, PageSize: 5, Managers: []string{own},
	}
	for i := range 9 {
		config.Accounts = append(config.Accounts, directorytest.Account{ID: fmt.Sprintf("%012d", i), Name: "a"})
	}
	server, conn := connect(t, config)
	u, _ := users(conn, "eu-west-1")
	for i := range 2 {
		got, err := u.Describe(t.Context(), storeARN, userID(i))
		if want := fmt.Sprintf(`{"UserName":"user%d"}`, i); err != nil || got.Answer != want {
			t.Errorf("user %d: %+v, %v", i, got, err)
		}
	}
	cfg, err := conn.Config(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if accounts, err := directory.Accounts(t.Context(), cfg); err != nil || len(accounts) != 9 {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
	for _, operation := range []string{"DescribeUser", "ListAccountsForParent"} {
		if c := server.Counts(operation); c.Throttled == 0 {
			t.Errorf("%s: %+v: the test shows less than it says", operation, c)
		}
	}
}

func TestCancelled(t *testing.T) {
	_, conn := connect(t, directorytest.Config{Stores: []directorytest.Store{{ID: "d-0000000001", Region: "eu-west-1"}}})
	u, _ := users(conn, "eu-west-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := u.Describe(ctx, storeARN, userID(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := u.Describe(t.Context(), storeARN, userID(1)); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a call that was cancelled is no answer for the store: %v", err)
	}
}
