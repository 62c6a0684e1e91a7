package rebuild

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// ChainDays is how many days before a call the credentials behind it, and
// those by which these were got, may have been issued. A role session lasts
// twelve hours at most, a session got by role chaining one hour, GetSessionToken's
// thirty-six (IAM User Guide, "Compare AWS STS credentials").
const ChainDays = 2

// A keyID is an access key's hash in the room of its bytes.
type keyID [16]byte

func keyOf(hash string) (k keyID, ok bool) {
	n, err := hex.Decode(k[:], []byte(hash[:min(len(hash), 2*len(k))]))
	return k, err == nil && n == len(k)
}

// An issue is what is kept of a role session to follow chains: whose key was
// issued, with whose, and for which account.
type issue struct {
	key, caller keyID
	account     string
}

// Issues follows who issued whose credentials through the role sessions of a
// lake. It remembers their links, file by file, as long as the files do not
// change: the days that one run derives share most of them. It is safe for
// concurrent use.
type Issues struct {
	lake *lake.Lake

	mu    sync.Mutex
	files map[string]*issueFile
	days  []athenatrail.Date // with files in memory, the one used last at the end
	links int                // of all files
}

// NewIssues returns the Issues of a lake.
func NewIssues(l *lake.Lake) *Issues { return &Issues{lake: l, files: map[string]*issueFile{}} }

// An issueFile is one partition's links.
type issueFile struct {
	athenatrail.Partition
	etag  string
	links []issue
}

// maxIssueDays bounds for how many days links are remembered: those that a day
// with sessions of Athena for Apache Spark needs, for several such days.
const maxIssueDays = 24

// maxIssueLinks bounds how many links are remembered beside those of the day
// in use. One takes 48 bytes.
const maxIssueLinks = 2_000_000

// on returns the links of a day's role sessions, of all accounts and regions.
// It lists the day, so what it returns is never older than the call.
func (x *Issues) on(ctx context.Context, d athenatrail.Date) ([]*issueFile, error) {
	var out []*issueFile
	for file, err := range lake.Partitions(ctx, x.lake, lake.RoleSessions, d, d+1) {
		if err != nil {
			return nil, err
		}
		x.mu.Lock()
		held := x.files[file.Key]
		x.mu.Unlock()
		if held == nil || held.etag != file.ETag {
			if held, err = x.read(ctx, file); err != nil {
				return nil, err
			}
			x.mu.Lock()
			if old := x.files[file.Key]; old != nil {
				x.links -= len(old.links)
			}
			x.files[file.Key] = held
			x.links += len(held.links)
			x.mu.Unlock()
		}
		out = append(out, held)
	}
	x.mu.Lock()
	x.use(d)
	x.mu.Unlock()
	return out, nil
}

// read reads a file's links. It is called without the lock, so that the days
// that are derived side by side do not wait for each other's files.
func (x *Issues) read(ctx context.Context, file lake.PartitionFile) (*issueFile, error) {
	// What is read may be newer than the list, never older.
	read := &issueFile{Partition: file.Partition, etag: file.ETag}
	type row struct {
		Key    string `parquet:"access_key_hash"`
		Caller string `parquet:"caller_access_key_hash,optional"`
		Role   string `parquet:"role_arn,optional"`
	}
	accounts := map[string]string{} // one copy of each, which holds no row
	for r, err := range lake.ReadAs[row](ctx, x.lake, lake.RoleSessions, file.Partition) {
		if err != nil {
			return nil, err
		}
		if key, ok := keyOf(r.Key); ok {
			caller, _ := keyOf(r.Caller)
			account := accountOf(r.Role, file.Partition)
			if _, ok := accounts[account]; !ok {
				account = strings.Clone(account)
				accounts[account] = account
			}
			read.links = append(read.links, issue{key, caller, accounts[account]})
		}
	}
	return read, nil
}

// use notes that a day's links were needed, and drops those of the days that
// were not for longest.
func (x *Issues) use(d athenatrail.Date) {
	x.days = append(slices.DeleteFunc(x.days, func(o athenatrail.Date) bool { return o == d }), d)
	for len(x.days) > 1 && (len(x.days) > maxIssueDays || x.links > maxIssueLinks) {
		oldest := x.days[0]
		x.days = x.days[1:]
		maps.DeleteFunc(x.files, func(_ string, f *issueFile) bool {
			if f.Date == oldest {
				x.links -= len(f.links)
			}
			return f.Date == oldest
		})
	}
}

// before returns the links that explain calls on a day.
func (x *Issues) before(ctx context.Context, d athenatrail.Date) (files []*issueFile, err error) {
	for on := d - ChainDays; on <= d; on++ {
		f, err := x.on(ctx, on)
		if err != nil {
			return nil, err
		}
		files = append(files, f...)
	}
	return files, nil
}

// behind returns the role sessions that issued one of the keys, on the day of
// the calls or the days before, and those that issued the keys by which these
// were got, and so on.
func (x *Issues) behind(ctx context.Context, d athenatrail.Date, keys map[keyID]bool) ([]*athenatrail.RoleSession, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	files, err := x.before(ctx, d)
	if err != nil {
		return nil, err
	}
	wanted := maps.Clone(keys)
	for grown := true; grown; {
		grown = false
		for _, f := range files {
			for _, l := range f.links {
				if wanted[l.key] && l.caller != (keyID{}) && !wanted[l.caller] {
					wanted[l.caller], grown = true, true
				}
			}
		}
	}
	var found []*athenatrail.RoleSession
	for _, f := range files {
		if !slices.ContainsFunc(f.links, func(l issue) bool { return wanted[l.key] }) {
			continue
		}
		for r, err := range lake.Read(ctx, x.lake, lake.RoleSessions, f.Partition) {
			if err != nil {
				return nil, err
			}
			if key, ok := keyOf(r.AccessKeyHash); ok && wanted[key] {
				kept := *r
				found = append(found, &kept)
			}
		}
	}
	return found, nil
}

// accountOf returns the account in which the credentials of a role are used:
// the role's, else that of the record.
func accountOf(roleARN string, home athenatrail.Partition) string {
	if parts := strings.SplitN(roleARN, ":", 6); len(parts) == 6 && parts[4] != "" {
		return athenatrail.SafeName(parts[4])
	}
	return home.Account
}

// Keys are access keys by the account in which they are used.
type Keys map[string]map[keyID]bool

// In reports whether any of the keys may have been used in an account.
func (k Keys) In(account string) bool { return len(k[account]) > 0 }

// Has reports whether the key with that hash is among those of an account.
func (k Keys) Has(account, accessKeyHash string) bool {
	key, ok := keyOf(accessKeyHash)
	return ok && k[account][key]
}

func (k Keys) add(account string, key keyID) {
	if k[account] == nil {
		k[account] = map[keyID]bool{}
	}
	k[account][key] = true
}

// Descendants returns the keys of calls on a day that go back to one of the
// keys with those hashes, themselves among them: what [derive.Day] may be told
// of the issue of these concerns that day.
func (x *Issues) Descendants(ctx context.Context, d athenatrail.Date, hashes map[string]bool) (Keys, error) {
	have := map[keyID]bool{}
	for hash := range hashes {
		if k, ok := keyOf(hash); ok {
			have[k] = true
		}
	}
	files, err := x.before(ctx, d)
	if err != nil {
		return nil, err
	}
	for grown := true; grown; {
		grown = false
		for _, f := range files {
			for _, link := range f.links {
				if have[link.caller] && !have[link.key] {
					have[link.key], grown = true, true
				}
			}
		}
	}
	keys := Keys{}
	for _, f := range files {
		for _, link := range f.links {
			if have[link.key] {
				keys.add(link.account, link.key)
				keys.add(athenatrail.UnknownName, link.key) // of records that name none
			}
		}
	}
	return keys, nil
}
