package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/athenatrail/athenatrail/internal/format"
)

// OIDC is a provider of OpenID Connect that signs people in, by the code flow
// with PKCE. What they may see is what [Auth.Rules] say of the name and the
// groups that its ID token vouches for.
type OIDC struct {
	Issuer       string // empty: there is none
	ClientID     string
	ClientSecret string   // empty: a public client
	RedirectURL  string   // of this dashboard: an address that ends in CallbackPath
	Scopes       []string // beside openid; nil: email and profile
	UserClaim    string   // whose value is the user's name; empty: email, which has to be verified
	GroupsClaim  string   // a list of texts, or one; empty: groups
}

// CallbackPath is where the provider sends people back to.
const CallbackPath = "/login/callback"

func (o *OIDC) check() error {
	if o.Issuer == "" {
		return nil
	}
	if o.ClientID == "" {
		return errors.New("oidc: no client id: want the one that the provider knows this dashboard by")
	}
	for _, address := range []struct{ name, value string }{{"issuer", o.Issuer}, {"redirect URL", o.RedirectURL}} {
		u, err := url.Parse(address.value)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackName(u.Host)) {
			return fmt.Errorf("oidc: %s %q: want an address that begins with https://", address.name, address.value)
		}
		if address.name == "redirect URL" && (u.Path != CallbackPath || u.RawQuery != "" || u.Fragment != "") {
			return fmt.Errorf("oidc: redirect URL %q: want this dashboard's address and %s", o.RedirectURL, CallbackPath)
		}
	}
	return nil
}

const (
	// signInLife is how long somebody may take to sign in at the provider.
	signInLife   = 10 * time.Minute
	maxSignIns   = 10_000
	signInCookie = "athenatrail_signin"

	// providerTimeout bounds each call of the provider.
	providerTimeout = 10 * time.Second
)

// A signIn is the way to the provider and back.
type signIn struct {
	o      OIDC
	now    func() time.Time
	client *http.Client

	asking   sync.Mutex     // held while the provider is asked, which may take long
	provider *oidc.Provider // nil until it was

	mu    sync.Mutex
	begun map[string]signing // by the hash of the state
}

// A signing is a way to the provider that somebody is on. The browser is known
// by a cookie, so that nobody can be sent back on the way of somebody else.
type signing struct {
	browser, nonce, verifier, to string
	until                        time.Time
}

func newSignIn(o OIDC, now func() time.Time) *signIn {
	if o.Scopes == nil {
		o.Scopes = []string{"email", "profile"}
	}
	if o.UserClaim == "" {
		o.UserClaim = "email"
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	return &signIn{o: o, now: now, client: &http.Client{Timeout: providerTimeout}, begun: map[string]signing{}}
}

// discovered returns the provider, which is asked for what it is the first time
// that somebody signs in: it may start after the dashboard.
func (s *signIn) discovered() (*oidc.Provider, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if s.provider != nil {
		return s.provider, nil
	}
	// It holds on to the context, to ask for keys again.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), s.client), s.o.Issuer)
	if err != nil {
		return nil, err
	}
	s.provider = p
	return p, nil
}

func (s *signIn) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: s.o.ClientID, ClientSecret: s.o.ClientSecret, RedirectURL: s.o.RedirectURL, Endpoint: p.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID}, slices.DeleteFunc(slices.Clone(s.o.Scopes), func(name string) bool { return name == oidc.ScopeOpenID })...),
	}
}

// begin returns the provider's address for somebody who wants to sign in, and
// the secret by which their browser is known when they come back.
func (s *signIn) begin(to string) (address, browser string, err error) {
	p, err := s.discovered()
	if err != nil {
		return "", "", err
	}
	state := rand.Text()
	browser = rand.Text()
	x := signing{hashed(browser), rand.Text(), oauth2.GenerateVerifier(), to, s.now().Add(signInLife)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, other := range s.begun {
		if s.now().After(other.until) || len(s.begun) >= maxSignIns {
			delete(s.begun, key)
		}
	}
	s.begun[hashed(state)] = x
	return s.oauth(p).AuthCodeURL(state, oidc.Nonce(x.nonce), oauth2.S256ChallengeOption(x.verifier)), browser, nil
}

// end takes the way that a state names off the list: it can be gone once.
func (s *signIn) end(state, browser string) (signing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.begun[hashed(state)]
	if !ok || s.now().After(x.until) || subtle.ConstantTimeCompare([]byte(x.browser), []byte(hashed(browser))) != 1 {
		return x, badRequest("this is not the end of a sign-in that began in this browser, or it took longer than ten minutes: sign in again")
	}
	delete(s.begun, hashed(state))
	return x, nil
}

// A vouched is whom the provider vouches for.
type vouched struct {
	name   string
	groups []string
}

// redeem exchanges a code for an ID token, and reads it.
func (s *signIn) redeem(ctx context.Context, code string, x signing) (v vouched, err error) {
	p, err := s.discovered()
	if err != nil {
		return v, err
	}
	ctx = oidc.ClientContext(ctx, s.client)
	token, err := s.oauth(p).Exchange(ctx, code, oauth2.VerifierOption(x.verifier))
	if err != nil {
		// Its text is the provider's whole answer, which is not for a log.
		if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.Response != nil {
			return v, fmt.Errorf("exchange the code: status %d, error %q", refused.Response.StatusCode, refused.ErrorCode)
		}
		return v, fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return v, errors.New("the provider's answer has no ID token: is openid among the scopes that it allows?")
	}
	id, err := p.Verifier(&oidc.Config{ClientID: s.o.ClientID, Now: s.now}).Verify(ctx, raw)
	if err != nil {
		return v, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(x.nonce)) != 1 {
		return v, errors.New("the ID token has another nonce than was asked for")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return v, fmt.Errorf("read the ID token: %w", err)
	}
	if v.name, ok = claims[s.o.UserClaim].(string); !ok || v.name == "" {
		return v, fmt.Errorf("the ID token has no claim %s: name another in user_claim, or ask for its scope", s.o.UserClaim)
	}
	// Whoever may enter any address as their own would be whom they like.
	if verified := claims["email_verified"]; s.o.UserClaim == "email" && verified != true && verified != "true" {
		return v, errors.New("the provider does not say that it verified this e-mail address (email_verified): name another claim in user_claim if yours vouches for one")
	}
	switch groups := claims[s.o.GroupsClaim].(type) {
	case string:
		v.groups = []string{groups}
	case []any:
		for _, g := range groups {
			if text, ok := g.(string); ok {
				v.groups = append(v.groups, text)
			}
		}
	}
	return v, nil
}

// toProvider sends somebody to the provider.
func (s *Server) toProvider(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.signIn == nil {
		s.fail(w, r, http.StatusNotFound, "nobody signs in here by OpenID Connect")
		return
	}
	address, browser, err := s.signIn.begin(localPath(r.URL.Query().Get("to")))
	if err != nil {
		s.o.Log.Warn("the provider of OpenID Connect cannot be reached", "error", err)
		s.fail(w, r, http.StatusBadGateway, "the provider that signs people in cannot be reached: try again in a moment; the server's log says why")
		return
	}
	// The provider sends people here from another site, so the cookie has to be
	// lax; it is worth nothing without the state.
	http.SetCookie(w, &http.Cookie{Name: signInCookie, Value: browser, Path: "/login", MaxAge: int(signInLife.Seconds()), HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// secure reports whether browsers reach this dashboard by TLS, maybe through a
// proxy.
func (s *Server) secure(r *http.Request) bool {
	return r.TLS != nil || s.signIn != nil && strings.HasPrefix(s.signIn.o.RedirectURL, "https:")
}

// fromProvider takes somebody whom the provider sends back.
func (s *Server) fromProvider(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.signIn == nil {
		s.fail(w, r, http.StatusNotFound, "nobody signs in here by OpenID Connect")
		return
	}
	values, err := valuesOf(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	browser := ""
	if c, err := r.Cookie(signInCookie); err == nil {
		browser = c.Value
	}
	x, err := s.signIn.end(values.Get("state"), browser)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: signInCookie, Path: "/login", MaxAge: -1, HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteLaxMode})
	if code := values.Get("error"); code != "" {
		s.fail(w, r, http.StatusForbidden, shorten("the provider did not sign you in: "+strings.TrimSpace(code+" "+values.Get("error_description")), 300))
		return
	}
	v, err := s.signIn.redeem(r.Context(), values.Get("code"), x)
	if err != nil {
		s.o.Log.Warn("a sign-in by OpenID Connect failed", "client", s.clientOf(r), "error", err)
		s.fail(w, r, http.StatusUnauthorized, "the provider's answer does not prove who you are: sign in again; the server's log says why")
		return
	}
	who, err := s.o.Auth.ruled(v.name, v.groups)
	if err != nil {
		s.fail(w, r, http.StatusForbidden, err.Error())
		return
	}
	http.SetCookie(w, s.cookie(r, s.sessions.begin(who), int(sessionLife.Seconds())))
	// A redirect would still count as coming from the provider's site, and the
	// session's cookie would not be sent with it. So the page goes on by itself.
	f := s.bare(nil, "Signed in")
	f.Lead, f.Path, f.Next = "You are signed in as "+format.Safe(who.Name)+".", x.to, x.to
	s.render(w, r, http.StatusOK, "signedin.html", f)
}
