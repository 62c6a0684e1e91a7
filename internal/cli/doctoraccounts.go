package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/setup"
)

const (
	// usedDays is how far back the lake's events tell which accounts and
	// regions are in use: as long as Athena answers about an execution.
	usedDays = 45

	// sideBySide is how many accounts and regions are asked at a time.
	sideBySide = 8

	// placeTimeout ends the wait for one account and region.
	placeTimeout = time.Minute
)

// States of what is checked of an account and region.
const (
	placeOK     = "ok"
	placeDenied = "denied"
	placeNoRole = "no role"
	placeFailed = "failed"
)

// A place is one account and region, and what may be done there. A state that
// is empty was not looked at.
type place struct {
	account, name, region string
	from                  []string // what names the account

	role, details, workGroups, settings, tags, lookups string

	missing []string // permissions
	fixes   []string
	said    []string // what else went wrong, or is to be known
	failed  bool
}

func (p *place) result() string {
	switch {
	case p.failed:
		return checkFailed
	case p.role == "" || len(p.said) > 0:
		return checkNote
	}
	return checkOK
}

// fail takes the error of a check, and returns the check's state. A permission
// that is missing is named with the policy that has it.
func (p *place) fail(err error) string {
	p.failed = true
	err = awsconn.Explained(err)
	var refused *awsconn.Error
	if errors.As(err, &refused) && refused.Permission() != "" {
		p.lack(refused.Permission(), refused.Policy())
		return placeDenied
	}
	p.said = append(p.said, err.Error())
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		p.advise(h.Hint())
	}
	return placeFailed
}

func (p *place) lack(permission, policy string) {
	p.failed = true
	p.missing = append(p.missing, permission)
	who := "the role athenatrail-reader of the account"
	if p.role == "own" {
		who = "the user or role that athenatrail runs as"
	}
	p.advise("attach deploy/policy/" + policy + " to " + who)
}

func (p *place) advise(fix string) {
	if !slices.Contains(p.fixes, fix) {
		p.fixes = append(p.fixes, fix)
	}
}

// allAccounts checks every account that is known, in every region that it
// uses, and writes one row for each.
func (a *app) allAccounts(ctx context.Context, d *doctor) (failed bool, err error) {
	conn, err := d.AWS(ctx)
	if err != nil {
		return false, err
	}
	caller, err := conn.Caller(ctx)
	if err != nil {
		return false, err
	}
	places, err := d.places(ctx, conn, caller.Account)
	if err != nil {
		return false, err
	}
	if err := d.checkPlaces(ctx, conn, caller.Account, places); err != nil {
		return false, err
	}
	for _, c := range d.checks {
		if c.result == checkFailed {
			failed = true
			a.say("warning", hint(fmt.Errorf("%s %s: %s", c.what, c.subject, c.detail), "%s", c.fix))
		}
	}
	var rows [][]any
	for _, p := range places {
		failed = failed || p.failed
		rows = append(rows, []any{
			p.account, p.name, p.region, p.result(), p.role, p.details, p.workGroups, p.settings, p.tags, p.lookups,
			strings.Join(p.missing, ", "), strings.Join(p.said, "; "), strings.Join(p.fixes, "; "), strings.Join(p.from, ", "),
		})
	}
	text := func(name, title string, wide bool, help string) format.Column {
		return format.Column{Name: name, Title: title, Kind: format.Text, Wide: wide, Help: help}
	}
	return failed, a.write(&format.Result{
		View: "doctor",
		Columns: []format.Column{
			text("account_id", "account", false, ""), text("name", "", false, ""), text("region_name", "region", false, ""),
			text("result", "", false, "ok, note or failed"),
			text("role", "", false, "own, ok, no role, denied or failed: the way into the account"),
			text("details", "", false, "whether athena:BatchGetQueryExecution is answered"),
			text("work_groups", "", true, "whether athena:ListWorkGroups is answered, which nothing but this check needs"),
			text("work_group_settings", "", true, "whether athena:GetWorkGroup is answered, if directory.work_groups is set"),
			text("work_group_tags", "", true, "whether athena:ListTagsForResource is answered, if a rule of teams needs tags"),
			text("lookup_events", "", true, "whether cloudtrail:LookupEvents is answered, if it is a source"),
			text("missing", "", false, "permissions that AWS refused"), text("detail", "", false, ""), text("fix", "", false, ""),
			text("known_from", "", true, "credentials, configuration, file, events, organization: what names the account"),
		},
		Rows: format.RowsOf(rows),
	})
}

// A knownAccount is one that something names.
type knownAccount struct {
	name, state string
	from        []string
	regions     map[string]bool // in which it is used
}

// places returns every account that the configuration, the lake's events and
// the organization name, with each of its regions, in order.
func (d *doctor) places(ctx context.Context, conn *awsconn.Conn, own string) ([]*place, error) {
	known := map[string]*knownAccount{}
	name := func(id, name, from string) *knownAccount {
		k := known[id]
		if k == nil {
			k = &knownAccount{regions: map[string]bool{}}
			known[id] = k
		}
		k.name = cmp.Or(k.name, name)
		if !slices.Contains(k.from, from) {
			k.from = append(k.from, from)
		}
		return k
	}
	name(own, "", "credentials")
	for _, a := range d.Accounts {
		name(a.ID, a.Name, "configuration")
	}
	if d.Directory.AccountsFile != "" {
		accounts, err := directory.ReadAccounts(d.Directory.AccountsFile)
		if err != nil {
			return nil, asUsage(err)
		}
		for _, a := range accounts {
			name(a.ID, a.Name, "file")
		}
	}
	used, err := d.used(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range used {
		if p.Account != athenatrail.UnknownName && p.Region != athenatrail.UnknownName {
			name(p.Account, "", "events").regions[p.Region] = true
		}
	}
	for _, a := range d.organization(ctx, conn) {
		name(a.ID, a.Name, "organization").state = a.State
	}
	var places []*place
	for _, id := range slices.Sorted(maps.Keys(known)) {
		k := known[id]
		for _, region := range d.regionsUsed(id, k, conn.Region()) {
			p := &place{account: id, name: k.name, region: region, from: k.from}
			if k.state != "" && k.state != "ACTIVE" {
				p.said = append(p.said, "the account is "+k.state+": not asked")
			}
			places = append(places, p)
		}
	}
	return places, nil
}

// used returns the accounts and regions with events of late.
func (d *doctor) used(ctx context.Context) ([]athenatrail.Partition, error) {
	l, err := d.OldLake(ctx)
	if err != nil {
		return nil, nil // said of the lake already
	}
	today := athenatrail.DateOf(time.Now())
	seen := map[athenatrail.Partition]bool{}
	for file, err := range lake.Partitions(ctx, l, lake.Events, today-usedDays, today+2) {
		if err != nil {
			return nil, awsconn.Explained(err)
		}
		seen[file.Partition.On(0)] = true
	}
	return slices.SortedFunc(maps.Keys(seen), athenatrail.Partition.Compare), nil
}

// organization returns the accounts that Organizations names. Not to be allowed
// to ask is a failure only where the configuration wants it asked.
func (d *doctor) organization(ctx context.Context, conn *awsconn.Conn) []directory.Account {
	cfg, err := conn.Config(ctx, "", "")
	if err != nil {
		return nil // said of the credentials
	}
	accounts, err := directory.AccountNames(ctx, cfg)
	if err != nil && d.Directory.Accounts {
		d.failed("organization", "", err)
	}
	return accounts
}

// regionsUsed returns the regions to check of an account: those that the
// configuration names for it or for all, else those with events, else the one
// that clients go to by themselves.
func (d *doctor) regionsUsed(account string, k *knownAccount, own string) []string {
	limited := func(regions []string) bool { return len(regions) > 0 && !slices.Contains(regions, "all") }
	for _, a := range d.Accounts {
		if a.ID == account && limited(a.Regions) {
			return slices.Sorted(slices.Values(a.Regions))
		}
	}
	switch {
	case limited(d.Regions):
		return slices.Sorted(slices.Values(d.Regions))
	case len(k.regions) > 0:
		return slices.Sorted(maps.Keys(k.regions))
	}
	return []string{own}
}

// checkPlaces asks in all places, some side by side. A place that fails says so
// itself and holds up no other.
func (d *doctor) checkPlaces(ctx context.Context, conn *awsconn.Conn, own string, places []*place) error {
	settings, err := d.Settings()
	if err != nil {
		return err
	}
	asked := d.Askers()
	looksUp := slices.ContainsFunc(d.Sources, func(spec string) bool { return strings.HasPrefix(spec, lookup.Name) })
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for _, p := range places {
		if len(p.said) > 0 {
			continue
		}
		group.Go(func() error {
			c, cancel := context.WithTimeout(ctx, placeTimeout)
			defer cancel()
			if !d.enter(c, conn, own, p) {
				return nil
			}
			d.askAthena(c, asked, settings.Teams.NeedsTags(), p)
			if looksUp {
				p.lookups = placeOK
				cfg, err := conn.Config(c, p.account, p.region)
				if err == nil {
					err = lookup.Allowed(c, cfg, time.Now())
				}
				if err != nil {
					p.lookups = p.fail(err)
				}
			}
			return nil
		})
	}
	group.Wait()
	return ctx.Err()
}

// enter finds out whether there is a way into the place's account.
func (d *doctor) enter(ctx context.Context, conn *awsconn.Conn, own string, p *place) bool {
	err := conn.Enter(ctx, p.account)
	switch {
	case err == nil && p.account == own && !d.hasRole(own):
		p.role = "own"
		return true
	case err == nil:
		p.role = placeOK
		return true
	case errors.Is(err, awsconn.ErrNoRole):
		p.failed, p.role = true, placeNoRole
		p.missing = append(p.missing, "sts:AssumeRole")
		p.advise("make the role athenatrail-reader in the account (deploy/policy/reader-role-trust.json, details.json), attach deploy/policy/assume-reader.json to " +
			"the user or role that athenatrail runs as, and name the role under accounts: or with --assume-role")
		return false
	}
	if p.role = p.fail(err); p.role == placeDenied {
		p.fixes = nil
		p.advise("attach deploy/policy/assume-reader.json to the user or role that athenatrail runs as; " +
			"look whether the role is there, trusts it (deploy/policy/reader-role-trust.json) and wants the external_id that the configuration has")
	}
	return false
}

func (d *doctor) hasRole(account string) bool {
	return slices.ContainsFunc(d.Accounts, func(a config.Account) bool { return a.ID == account && a.Role != "" })
}

// askAthena asks what collect would, one call each.
func (d *doctor) askAthena(ctx context.Context, asked *setup.Askers, tags bool, p *place) {
	if d.Details == config.DetailsNone {
		return
	}
	client, err := asked.Client(ctx, p.account, p.region)
	if err != nil {
		p.details = p.fail(err)
		return
	}
	if client == nil {
		p.said = append(p.said, "the configuration wants no details of it")
		return
	}
	// The id is no execution's. Whoever may not ask is denied all the same;
	// whoever may is told that it is not processed.
	for answer := range client.Details(ctx, time.Now(), []athenaapi.Wanted{{ID: probeID, Started: time.Now()}}) {
		switch {
		case answer.Err != nil:
			p.details = p.fail(answer.Err)
		case answer.Detail.Outcome == athenatrail.OutcomeDenied:
			p.details = placeDenied
			p.lack("athena:BatchGetQueryExecution", "details.json")
		default:
			p.details = placeOK
		}
	}
	group := "primary" // every region of an account has it
	names, _, err := client.FirstWorkGroups(ctx)
	switch {
	case errors.Is(err, athenaapi.ErrDenied):
		p.workGroups = placeDenied // nothing needs it
	case err != nil:
		p.workGroups = p.fail(err)
	default:
		p.workGroups = placeOK
		if len(names) > 0 && !slices.Contains(names, group) {
			group = names[0]
		}
	}
	look := func(ask func(context.Context, string) (string, error)) string {
		if _, err := ask(ctx, group); err != nil && !errors.Is(err, athenaapi.ErrNotFound) {
			return p.fail(err)
		}
		return placeOK
	}
	if d.Directory.WorkGroups {
		p.settings = look(client.WorkGroupSettings)
	}
	if tags {
		p.tags = look(client.WorkGroupTags)
	}
}
