package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/report"
)

// Roles, from the one that sees all to the one that sees least.
const (
	Admin  = "admin"  // everything
	Viewer = "viewer" // every row; neither records nor, unless allowed, SQL
	Team   = "team"   // the rows of some teams
	Self   = "self"   // the own rows
)

// Roles lists them.
var Roles = []string{Admin, Viewer, Team, Self}

// Auth says who may see what. The zero value lets everybody who can connect see
// everything, which is for loopback alone.
type Auth struct {
	Users []User
	Proxy Proxy
	OIDC  OIDC
	Rules []Rule   // of users that a proxy or OIDC names; the first that matches
	SQL   []string // roles that may read SQL; nil: admin, team and self
}

// A User is known by a token.
type User struct {
	Name   string
	Role   string
	Teams  []string // of the role team
	Person string   // of the role self; empty: Name
	Token  string   // a secret
}

// A Proxy names users in a header, if the request comes from it.
type Proxy struct {
	Header string // empty: there is none
	Groups string // a header with groups, commas between; empty: none
	From   []netip.Prefix
}

// A Rule gives a role to users that a proxy or a provider of OpenID Connect
// names.
type Rule struct {
	User  string // a pattern; empty is any
	Group string // a pattern of one of the groups; empty is any
	Role  string
	Teams []string // of the role team
}

// Required reports whether there is any authentication.
func (a *Auth) Required() bool {
	return len(a.Users) > 0 || a.Proxy.Header != "" || a.OIDC.Issuer != ""
}

// asks reports whether somebody unknown can sign in here.
func (a *Auth) asks() bool { return len(a.Users) > 0 || a.OIDC.Issuer != "" }

// minToken is how long a token has to be, in bytes: 16 random ones in hex.
const minToken = 16

func (a *Auth) check() error {
	for _, u := range a.Users {
		if len(u.Token) < minToken {
			return fmt.Errorf("the token of %s is shorter than %d characters: make one with openssl rand -hex 32", u.Name, minToken)
		}
		if !slices.Contains(Roles, u.Role) {
			return fmt.Errorf("user %s: role %q: want one of %s", u.Name, u.Role, strings.Join(Roles, ", "))
		}
	}
	for _, r := range a.Rules {
		if !slices.Contains(Roles, r.Role) {
			return fmt.Errorf("role %q: want one of %s", r.Role, strings.Join(Roles, ", "))
		}
	}
	if a.Proxy.Header != "" && len(a.Proxy.From) == 0 {
		return errors.New("a trusted proxy without the addresses that it comes from would let everybody name themselves")
	}
	return a.OIDC.check()
}

// A principal is who asks, and what they may see.
type principal struct {
	Name string
	Role string
	SQL  bool

	scope   report.Scope
	session bool // known by a cookie, which logging out ends
}

func (p *principal) admin() bool { return p.Role == Admin }

// whole reports whether the principal sees every row.
func (p *principal) whole() bool { return p.scope.Whole() }

// principal makes what a role may see.
func (a *Auth) principal(name, role, person string, teams []string) *principal {
	p := &principal{Name: name, Role: role}
	roles := a.SQL
	if roles == nil {
		roles = []string{Admin, Team, Self}
	}
	p.SQL = slices.Contains(roles, role)
	p.scope.HideSQL = !p.SQL
	switch role {
	case Admin, Viewer:
	case Team:
		p.scope.Teams = append([]string{}, teams...)
	default:
		if person == "" {
			person = name
		}
		if strings.Contains(person, "@") {
			person = strings.ToLower(person) // as the lake has addresses
		}
		p.scope.Persons = []string{person}
	}
	return p
}

var everybody = &principal{Role: Admin, SQL: true}

// byToken returns the user of a token. It compares hashes in constant time, and
// with all of them, so that how long it takes tells nothing.
func (a *Auth) byToken(token string) *principal {
	sum := sha256.Sum256([]byte(token))
	var found *User
	for i := range a.Users {
		own := sha256.Sum256([]byte(a.Users[i].Token))
		if subtle.ConstantTimeCompare(sum[:], own[:]) == 1 {
			found = &a.Users[i]
		}
	}
	if found == nil {
		return nil
	}
	return a.principal(found.Name, found.Role, found.Person, found.Teams)
}

// errUnknown says that nobody is known.
var errUnknown = errors.New("sign in first")

// cookieName is that of the session's cookie.
const cookieName = "athenatrail_session"

// who finds out who asks.
func (s *Server) who(r *http.Request) (*principal, error) {
	a := &s.o.Auth
	if !a.Required() {
		return everybody, nil
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if p := a.byToken(strings.TrimSpace(token)); p != nil {
			return p, nil
		}
		return nil, errors.New("the token is not one of those that are known")
	}
	if a.Proxy.Header != "" {
		if names := r.Header.Values(a.Proxy.Header); len(names) > 0 && trusted(a.Proxy.From, r.RemoteAddr) {
			return a.named(names, r.Header.Values(a.Proxy.Groups))
		}
	}
	if c, err := r.Cookie(cookieName); err == nil {
		if p := s.sessions.find(c.Value); p != nil {
			return p, nil
		}
	}
	return nil, errUnknown
}

// named returns the role of a user that the proxy names.
func (a *Auth) named(names, groups []string) (*principal, error) {
	if len(names) != 1 {
		return nil, fmt.Errorf("the header %s has to name one user", a.Proxy.Header)
	}
	var in []string
	for _, line := range groups {
		for g := range strings.SplitSeq(line, ",") {
			in = append(in, strings.TrimSpace(g))
		}
	}
	return a.ruled(names[0], in)
}

// ruled returns what the rules make of a user and their groups.
func (a *Auth) ruled(name string, in []string) (*principal, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 320 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("a user's name has 1 to 320 characters, and no control characters")
	}
	for _, rule := range a.Rules {
		user, group := glob.New(rule.User), glob.New(rule.Group)
		if rule.User != "" && !user.Match(name) || rule.Group != "" && !slices.ContainsFunc(in, group.Match) {
			continue
		}
		return a.principal(name, rule.Role, "", rule.Teams), nil
	}
	return nil, fmt.Errorf("no rule gives %q a role", name)
}

func trusted(from []netip.Prefix, remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Sessions of browsers: a random name in a cookie stands for a principal.
const (
	sessionLife = 12 * time.Hour
	maxSessions = 10_000
)

type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]signedIn // by the hash of the name
}

type signedIn struct {
	who   *principal
	until time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]signedIn{}}
}

func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func (s *sessions) begin(p *principal) string {
	name := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for key, x := range s.all {
		if now.After(x.until) || len(s.all) >= maxSessions {
			delete(s.all, key)
		}
	}
	with := *p
	with.session = true
	s.all[hashed(name)] = signedIn{&with, now.Add(sessionLife)}
	return name
}

func (s *sessions) find(name string) *principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.all[hashed(name)]
	if !ok || s.now().After(x.until) {
		return nil
	}
	return x.who
}

func (s *sessions) end(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, hashed(name))
}
