package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func loadServe(t *testing.T, text string) (*Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "athenatrail.yaml")
	if err := os.WriteFile(file, []byte("version: 1\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(t.Context(), Options{File: file})
}

func TestServe(t *testing.T) {
	c, err := loadServe(t, `
serve:
  listen: "[::1]:9090"
  users:
    - {name: lead, token_file: /run/lead, role: admin}
    - {name: growth, token_file: /run/growth, role: team, teams: [growth, web]}
  trusted_proxy:
    header: X-Forwarded-User
    groups_header: X-Forwarded-Groups
    from: [10.1.2.3/8, 192.0.2.7, "::1"]
  roles:
    - {group: data-*, role: viewer}
    - {user: "*", role: self}
  sql_roles: [admin]
  oidc:
    issuer: https://id.example.com/realms/data
    client_id: dashboard
    client_secret_file: /run/secret
    redirect_url: https://dashboard.example.com/login/callback
    scopes: [email, groups]
    user_claim: preferred_username
    groups_claim: roles
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Serve{
		Listen: "[::1]:9090",
		Users:  []ServeUser{{Name: "lead", TokenFile: "/run/lead", Role: "admin"}, {Name: "growth", TokenFile: "/run/growth", Role: "team", Teams: []string{"growth", "web"}}},
		TrustedProxy: ServeProxy{Header: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups",
			From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("::1/128")}},
		Roles:    []ServeRole{{Group: "data-*", Role: "viewer"}, {User: "*", Role: "self"}},
		SQLRoles: []string{"admin"},
		OIDC: ServeOIDC{Issuer: "https://id.example.com/realms/data", ClientID: "dashboard", ClientSecretFile: "/run/secret",
			RedirectURL: "https://dashboard.example.com/login/callback", Scopes: []string{"email", "groups"}, UserClaim: "preferred_username", GroupsClaim: "roles"},
	}
	if d := cmp.Diff(want, c.Serve, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestServeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"serve:\n  listen: 8080\n":                                           "want an address and a port",
		"serve:\n  oidc: {issuer: x}\n":                                      "want an address such as https://",
		"serve:\n  oidc: {issuer: 'http://id.example.com'}\n":                "want an address such as https://",
		"serve:\n  oidc: {client_id: x}\n":                                   "oidc: no issuer",
		"serve:\n  oidc: {issuer: 'https://id.example.com'}\n":               "oidc: no client_id",
		"serve:\n  oidc: {issuer: 'https://id.example.com', client_id: x}\n": "oidc: no redirect_url",
		"serve:\n  oidc: {redirect_url: 'https://dashboard.example.com/'}\n": "com/login/callback",
		"serve:\n  oidc: {issuer: 'https://id.example.com', client_id: x, redirect_url: 'https://a.example.com/login/callback'}\n": "no roles",
		"serve:\n  tls_cert: a.pem\n":                                                                         "belong together",
		"serve:\n  users: [{name: a, token_file: f, role: team}]\n":                                           "no teams",
		"serve:\n  users: [{name: a, token_file: f, role: self, teams: [x]}]\n":                               "only the role team",
		"serve:\n  users: [{name: a, token_file: f, role: owner}]\n":                                          "admin or viewer",
		"serve:\n  users: [{name: a, role: self}]\n":                                                          "no token_file",
		"serve:\n  users: [{name: a, token_file: f, role: self}, {name: a, token_file: f, role: self}]\n":     "twice",
		"serve:\n  trusted_proxy: {header: X-User}\n  roles: [{user: '*', role: self}]\n":                     "everybody could name themselves",
		"serve:\n  trusted_proxy: {header: X-User, from: [proxy.example.com]}\n":                              "want addresses",
		"serve:\n  trusted_proxy: {header: X-User, from: [10.0.0.1]}\n":                                       "no roles",
		"serve:\n  trusted_proxy: {from: [10.0.0.1]}\n":                                                       "no header",
		"serve:\n  trusted_proxy: {header: 'X User', from: [10.0.0.1]}\n  roles: [{user: '*', role: self}]\n": "the name of a header",
		"serve:\n  sql_roles: [everybody]\n":                                                                  "admin or viewer",
		"serve:\n  port: 1\n":                                                                                 "unknown key",
	} {
		if _, err := loadServe(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", text, err, want)
		}
	}
}
