package cloudtrail

import (
	"fmt"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// DecodeRecord decodes one record in canonical form, as [athenatrail.Event]
// holds it. The strings of the result are parts of raw where they can be. It
// fails when eventTime, eventSource or eventName cannot be used; a field in
// an unexpected form is left empty.
func DecodeRecord(raw string) (athenatrail.Record, error) {
	var r athenatrail.Record
	var when string
	for o := objectIn(raw); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		switch key {
		case "eventID":
			r.EventID = stringIn(v)
		case "eventTime":
			when = stringIn(v)
		case "eventSource":
			r.EventSource = stringIn(v)
		case "eventName":
			r.EventName = stringIn(v)
		case "eventType":
			r.EventType = stringIn(v)
		case "awsRegion":
			r.Region = stringIn(v)
		case "userIdentity":
			r.Identity = decodeIdentity(v)
		case "sourceIPAddress":
			r.SourceIP = stringIn(v)
		case "userAgent":
			r.UserAgent = stringIn(v)
		case "errorCode":
			r.ErrorCode = stringIn(v)
		case "errorMessage":
			r.ErrorMessage = stringIn(v)
		case "recipientAccountId":
			r.RecipientAccountID = stringIn(v)
		case "sharedEventID":
			r.SharedEventID = stringIn(v)
		case "vpcEndpointId":
			r.VPCEndpointID = stringIn(v)
		case "readOnly":
			r.ReadOnly = boolIn(v)
		case "sessionCredentialFromConsole":
			b := boolIn(v)
			r.FromConsole = b != nil && *b
		case "addendum":
			r.Addendum = decodeAddendum(v)
		case "requestParameters":
			r.RequestParameters = jsonIn(v)
		case "responseElements":
			r.ResponseElements = jsonIn(v)
		case "additionalEventData":
			r.AdditionalEventData = jsonIn(v)
		}
	}
	if r.EventSource == "" || r.EventName == "" {
		return r, fmt.Errorf("record has no eventSource or no eventName")
	}
	var err error
	if r.EventTime, err = parseEventTime(when); err != nil {
		return r, err
	}
	if r.EventSource == sourceAthena {
		decodeAthena(&r)
	}
	return r, nil
}

// parseEventTime reads RFC 3339, also with a blank for the T as tools that
// pass records on write it, and refuses years that no trail can hold: they
// would make folders of their own in the lake.
func parseEventTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateTime, s)
	}
	if err != nil {
		return t, fmt.Errorf("eventTime %.40q: want RFC 3339", s)
	}
	if t = t.UTC(); t.Year() < 2010 || t.Year() > 2099 {
		return t, fmt.Errorf("eventTime %.40q: want a year from 2010 to 2099", s)
	}
	return t, nil
}

func decodeAddendum(v string) (a athenatrail.Addendum) {
	for o := objectIn(v); ; {
		key, v, ok := o.next()
		if !ok {
			return a
		}
		switch key {
		case "reason":
			a.Reason = stringIn(v)
		case "originalEventID":
			a.OriginalEventID = stringIn(v)
		}
	}
}

func decodeIdentity(v string) (id athenatrail.Identity) {
	for o := objectIn(v); ; {
		key, v, ok := o.next()
		if !ok {
			return id
		}
		switch key {
		case "type":
			id.Type = stringIn(v)
		case "principalId":
			id.PrincipalID = stringIn(v)
		case "arn":
			id.ARN = stringIn(v)
		case "accountId":
			id.AccountID = stringIn(v)
		case "accessKeyId":
			id.AccessKeyID = stringIn(v)
		case "userName":
			id.UserName = stringIn(v)
		case "invokedBy":
			id.InvokedBy = stringIn(v)
		case "identityProvider":
			id.IdentityProvider = stringIn(v)
		case "credentialId":
			id.CredentialID = stringIn(v)
		case "sessionContext":
			decodeSessionContext(v, &id)
		case "onBehalfOf":
			for o := objectIn(v); ; {
				key, v, ok := o.next()
				if !ok {
					break
				}
				switch key {
				case "userId":
					id.OnBehalfOf.UserID = stringIn(v)
				case "identityStoreArn":
					id.OnBehalfOf.IdentityStoreARN = stringIn(v)
				}
			}
		case "inScopeOf":
			for o := objectIn(v); ; {
				key, v, ok := o.next()
				if !ok {
					break
				}
				switch key {
				case "sourceArn":
					id.InScopeOf.SourceARN = stringIn(v)
				case "sourceAccount":
					id.InScopeOf.SourceAccount = stringIn(v)
				case "issuerType":
					id.InScopeOf.IssuerType = stringIn(v)
				case "credentialsIssuedTo":
					id.InScopeOf.CredentialsIssuedTo = stringIn(v)
				}
			}
		}
	}
}

func decodeSessionContext(v string, id *athenatrail.Identity) {
	for o := objectIn(v); ; {
		key, v, ok := o.next()
		if !ok {
			return
		}
		switch key {
		case "sourceIdentity":
			id.SourceIdentity = stringIn(v)
		case "sessionIssuer":
			for o := objectIn(v); ; {
				key, v, ok := o.next()
				if !ok {
					break
				}
				switch key {
				case "type":
					id.Issuer.Type = stringIn(v)
				case "principalId":
					id.Issuer.PrincipalID = stringIn(v)
				case "arn":
					id.Issuer.ARN = stringIn(v)
				case "accountId":
					id.Issuer.AccountID = stringIn(v)
				case "userName":
					id.Issuer.UserName = stringIn(v)
				}
			}
		case "attributes":
			for o := objectIn(v); ; {
				key, v, ok := o.next()
				if !ok {
					break
				}
				switch key {
				case "mfaAuthenticated":
					id.MFA = boolIn(v)
				case "creationDate":
					id.CreatedAt = parseCreationDate(stringIn(v))
				}
			}
		}
	}
}

// parseCreationDate reads both forms that records hold: RFC 3339, and the
// basic form of the documentation.
func parseCreationDate(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "20060102T150405Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// decodeAthena takes out of a record of Athena what its calls carry. An
// answer's ids beat those asked for.
func decodeAthena(r *athenatrail.Record) {
	for _, part := range []string{r.RequestParameters, r.ResponseElements} {
		for o := objectIn(part); ; {
			key, v, ok := o.next()
			if !ok {
				break
			}
			switch key {
			case "queryExecutionId":
				set(&r.QueryExecutionID, v)
			case "sessionId":
				set(&r.SessionID, v)
			case "notebookId":
				set(&r.NotebookID, v)
			case "calculationExecutionId":
				set(&r.CalculationExecutionID, v)
			case "workGroup":
				set(&r.WorkGroup, v)
			case "database":
				set(&r.Database, v)
			case "queryString", "query", "queryStatement":
				if sql := stringIn(v); sql != maskSQL && sql != maskNotebook {
					set(&r.QueryString, v)
				}
			case "queryExecutionContext":
				for o := objectIn(v); ; {
					key, v, ok := o.next()
					if !ok {
						break
					}
					switch key {
					case "database":
						set(&r.Database, v)
					case "catalog":
						set(&r.Catalog, v)
					}
				}
			case "engineConfiguration":
				for o := objectIn(v); ; {
					key, v, ok := o.next()
					if !ok {
						break
					}
					if key == "additionalConfigs" {
						notebookOf(r, v)
					}
				}
			}
		}
	}
	if r.SessionID == "" {
		r.SessionID = executorSession(&r.Identity)
	}
}

// notebookOf takes the notebook for which a session is started.
func notebookOf(r *athenatrail.Record, configs string) {
	for o := objectIn(configs); ; {
		key, v, ok := o.next()
		if !ok {
			return
		}
		if key == "NotebookId" || key == "notebookId" {
			set(&r.NotebookID, v)
		}
	}
}

// executorSession returns the session of Athena for Apache Spark from within
// which a call was made: its code runs in a role session that is called after
// it (Athena User Guide, "Using CloudTrail to troubleshoot Athena notebook API
// calls").
func executorSession(id *athenatrail.Identity) string {
	if id.Type != "AssumedRole" && !strings.Contains(id.ARN, ":assumed-role/") {
		return "" // anybody's user may be called so
	}
	for _, name := range [...]string{id.ARN, id.PrincipalID} {
		if i := strings.LastIndexAny(name, "/:"); i >= 0 {
			if session, ok := strings.CutPrefix(name[i+1:], "AthenaExecutor-"); ok {
				return session
			}
		}
	}
	return ""
}

// set takes a JSON string that is not empty.
func set(field *string, v string) {
	if s := stringIn(v); s != "" {
		*field = s
	}
}
