package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/directory/directorytest"
)

// organization has accounts in the root, in units four deep, and units without
// accounts.
func organization() directorytest.Config {
	units := []string{"", "Root/Production/Data", "Root/Production/Data/EU/Lab", "Root/Sandbox"}
	config := directorytest.Config{Managers: []string{own}, PageSize: 3, Units: []string{"Root/Empty/Below"}}
	for i := range 10 {
		id := fmt.Sprintf("%012d", (i*7+3)%10)
		state := ""
		if i == 4 {
			state = "SUSPENDED"
		}
		config.Accounts = append(config.Accounts, directorytest.Account{ID: id, Name: "team " + id[11:], OU: units[i%len(units)], State: state})
	}
	config.Accounts = append(config.Accounts, directorytest.Account{ID: "../x", Name: "no account"})
	return config
}

// wanted are the accounts of a configuration as they are to be told.
func wanted(config directorytest.Config, units bool) (want []directory.Account) {
	for _, a := range config.Accounts {
		if a.ID == "../x" {
			continue
		}
		w := directory.Account{ID: a.ID, Name: a.Name, State: "ACTIVE"}
		if a.State != "" {
			w.State = a.State
		}
		if w.OU = "Root"; a.OU != "" {
			w.OU = a.OU
		}
		if !units {
			w.OU = ""
		}
		want = append(want, w)
	}
	slices.SortFunc(want, func(a, b directory.Account) int { return strings.Compare(a.ID, b.ID) })
	return want
}

func TestAccounts(t *testing.T) {
	directory.Hurry(t)
	config := organization()
	server, conn := connect(t, config)
	cfg, err := conn.Config(t.Context(), "", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := directory.Accounts(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted(config, true), got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if n := server.Counts("ListAccounts").Requests; n != 0 {
		t.Errorf("%d calls of ListAccounts, though the walk tells the names", n)
	}
	if n := server.Counts("ListRoots").Requests; n != 1 {
		t.Errorf("%d calls of ListRoots", n)
	}
	names, err := directory.AccountNames(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted(config, false), names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestAccountReference(t *testing.T) {
	for _, tt := range []struct {
		account directory.Account
		want    string
	}{
		{directory.Account{ID: own, Name: "a <b>", OU: "Root/R&D", State: "ACTIVE"}, `{"Name":"a <b>","OU":"Root/R&D","State":"ACTIVE"}`},
		{directory.Account{ID: own, Name: "a"}, `{"Name":"a"}`},
		{directory.Account{ID: own}, `{}`},
	} {
		got, err := tt.account.Reference()
		if want := (athenatrail.Reference{Kind: athenatrail.KindAccount, ID: own, Answer: tt.want}); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// Who may not walk the organization still gets the names, and hears once what
// is missing; what was found before a denial counts.
func TestUnitsAreDenied(t *testing.T) {
	directory.Hurry(t)
	for _, operation := range []string{"ListRoots", "ListAccountsForParent", "ListOrganizationalUnitsForParent"} {
		config := organization()
		config.Deny = func(name, _ string) bool { return name == operation }
		_, conn := connect(t, config)
		cfg, err := conn.Config(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := directory.Accounts(t.Context(), cfg)
		if want := "list the organizational units: not allowed to call organizations:" + operation; err == nil || !awsconn.Denied(err) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		want := wanted(config, false)
		if operation == "ListOrganizationalUnitsForParent" {
			for i, a := range wanted(config, true) {
				if a.OU == "Root" {
					want[i].OU = a.OU
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: accounts (-want +got):\n%s", operation, diff)
		}
	}
}

func TestAccountsRefused(t *testing.T) {
	f := func(config directorytest.Config, denied bool, is error, want string) {
		t.Helper()
		_, conn := connect(t, config)
		cfg, err := conn.Config(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = directory.Accounts(t.Context(), cfg)
		if err == nil || awsconn.Denied(err) != denied || is != nil && !errors.Is(err, is) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f(directorytest.Config{}, false, directory.ErrNoOrganization, "list the organizational units: the account is in no organization")
	f(directorytest.Config{Accounts: []directorytest.Account{{ID: own}}, Managers: []string{other}}, true, nil,
		"list the organization's accounts: not allowed to call organizations:ListAccounts: You don't have permissions")
}

// An answer that nests units deeper than AWS lets anybody ends the walk, and
// leaves the names.
func TestUnitsTooDeep(t *testing.T) {
	directory.Hurry(t)
	config := directorytest.Config{Managers: []string{own}, Accounts: []directorytest.Account{
		{ID: own, Name: "deep", OU: "Root/1/2/3/4/5"}, {ID: other, Name: "deeper", OU: "Root/1/2/3/4/5/6/7/8/9/10/11"},
	}}
	_, conn := connect(t, config)
	cfg, err := conn.Config(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := directory.Accounts(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "lies more than 10 units deep") {
		t.Errorf("error %v", err)
	}
	want := []directory.Account{{ID: own, Name: "deep", OU: "Root/1/2/3/4/5", State: "ACTIVE"}, {ID: other, Name: "deeper", State: "ACTIVE"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

func TestReadAccounts(t *testing.T) {
	got, err := directory.ReadAccountsCSV(strings.NewReader("\xef\xbb\xbfou, Account ,name,\n"+
		"# prod\nRoot/Production/Data,111122223333,\"analytics, eu\",\n\n,012345678901,sandbox,\nRoot,444455556666,,\n"), "accounts.csv")
	want := []directory.Account{
		{ID: own, Name: "analytics, eu", OU: "Root/Production/Data"}, {ID: "012345678901", Name: "sandbox"}, {ID: other, OU: "Root"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	f := func(text, want string) {
		t.Helper()
		_, err := directory.ReadAccountsCSV(strings.NewReader(text), "a.csv")
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f("", "a.csv:1: the file is empty: want a first line of account,name,ou")
	f("account\n1\n", "a.csv:1: the accounts say nothing: want a column name or ou")
	f("name,ou\n", "a.csv:1: no column account")
	f("acount,name\n", `a.csv:1: unknown column "acount": did you mean account?`)
	f("account,name,ou\n11122223333,x,\n", `a.csv:2: account "11122223333": want 12 digits with their leading zeros, which spreadsheets drop`)
	f("account,name,ou\nprod,x,\n,x,\n", "a.csv:2: account \"prod\": want 12 digits\na.csv:3: no account")
	f("account,name,ou\n111122223333,,\n", "a.csv:2: account 111122223333 has no name and no ou")
	f("account,name,ou\n111122223333,x,\n\n111122223333,y,\n", "a.csv:4: account 111122223333 stands in line 2 already")
	f("account,ou\n111122223333,/Root\n", `a.csv:2: ou "/Root": want names with a slash between, such as Root/Production`)
	f("account,name\n111122223333\n", "a.csv:2: 1 fields: want 2, as in the header")
	f("account,name\n111122223333,\"x\ny\"\n", `a.csv:2: name "x\ny": want one line without control characters`)
	if _, err := directory.ReadAccounts(t.TempDir() + "/none.csv"); err == nil || !strings.HasSuffix(err.Error(), "none.csv: no such file or directory") {
		t.Errorf("error %v", err)
	}
}

func FuzzReadAccounts(f *testing.F) {
	f.Add("account,name,ou\n111122223333,a,Root/B\n")
	f.Add("account;name\n")
	f.Add("ou,account\n\"Root\"\"x\",000000000000\n")
	f.Fuzz(func(t *testing.T, text string) {
		accounts, err := directory.ReadAccountsCSV(strings.NewReader(text), "a.csv")
		if err != nil && accounts != nil {
			t.Fatal("accounts and an error")
		}
		seen := map[string]bool{}
		for _, a := range accounts {
			if len(a.ID) != 12 || seen[a.ID] || a.Name == "" && a.OU == "" {
				t.Fatalf("%+v", a)
			}
			seen[a.ID] = true
			if _, err := a.Reference(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What is read does not depend on the order of an organization's answers.
func TestAccountsInAnyOrder(t *testing.T) {
	directory.Hurry(t)
	rapid.Check(t, func(rt *rapid.T) {
		config := directorytest.Config{Managers: []string{own}, PageSize: rapid.IntRange(1, 20).Draw(rt, "page size")}
		for i := range rapid.IntRange(1, 6).Draw(rt, "accounts") {
			ou := rapid.SampledFrom([]string{"", "Root/A", "Root/B"}).Draw(rt, "ou")
			config.Accounts = append(config.Accounts, directorytest.Account{ID: fmt.Sprintf("%012d", i), Name: fmt.Sprint("n", i), OU: ou})
		}
		config.Accounts = rapid.Permutation(config.Accounts).Draw(rt, "order")
		_, conn := connect(t, config)
		cfg, err := conn.Config(t.Context(), "", "")
		if err != nil {
			rt.Fatal(err)
		}
		got, err := directory.Accounts(t.Context(), cfg)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(wanted(config, true), got); diff != "" {
			rt.Fatalf("accounts (-want +got):\n%s", diff)
		}
	})
}
