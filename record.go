package athenatrail

import "time"

// A Record is one record of a CloudTrail log file, with the fields that
// athenatrail uses (CloudTrail User Guide, "CloudTrail record contents").
// A field that the record lacks, or holds in another form than expected, is
// empty: only a record without a usable eventTime, eventSource or eventName
// cannot be decoded.
type Record struct {
	EventID            string
	EventTime          time.Time // when the call finished; UTC, whole seconds
	EventSource        string
	EventName          string
	EventType          string
	Region             string // awsRegion
	Identity           Identity
	SourceIP           string // an address, or the DNS name of a service
	UserAgent          string
	ErrorCode          string
	ErrorMessage       string
	RecipientAccountID string
	SharedEventID      string
	VPCEndpointID      string
	ReadOnly           *bool
	FromConsole        bool // sessionCredentialFromConsole
	Addendum           Addendum

	// JSON texts; empty when absent or null.
	RequestParameters   string
	ResponseElements    string
	AdditionalEventData string

	// What Athena's own calls carry in their parameters and answers. The
	// query execution id of a start is the one in its answer; of another
	// call, the one it asks for.
	QueryExecutionID       string
	WorkGroup              string
	Catalog                string
	Database               string
	QueryString            string // the SQL where an old trail still holds it; empty when masked
	SessionID              string // of Athena for Apache Spark; of a call by a session's code, that session
	NotebookID             string
	CalculationExecutionID string
}

// AccountID returns the account that a record belongs to: the one that
// received it, else the caller's, else "".
func (r *Record) AccountID() string {
	if r.RecipientAccountID != "" {
		return r.RecipientAccountID
	}
	return r.Identity.AccountID
}

// An Addendum says that a record is late or corrects an earlier one.
type Addendum struct {
	Reason          string // DELIVERY_DELAY, UPDATED_DATA, SERVICE_OUTAGE
	OriginalEventID string
}

// An Identity is a record's userIdentity as CloudTrail wrote it. Every field
// may be empty, and Type may hold a value that is not known here.
type Identity struct {
	Type             string // Root, IAMUser, AssumedRole, FederatedUser, AWSService, ...
	PrincipalID      string // AIDA... of a user, AROA...:session of a role session
	ARN              string
	AccountID        string
	AccessKeyID      string
	UserName         string
	InvokedBy        string // DNS name of the service that made the call
	SourceIdentity   string // sessionContext.sourceIdentity
	IdentityProvider string
	CredentialID     string
	MFA              *bool
	CreatedAt        time.Time // sessionContext.attributes.creationDate
	Issuer           Issuer
	OnBehalfOf       OnBehalfOf
	InScopeOf        InScopeOf
}

// An Issuer is a role session's sessionContext.sessionIssuer: the role.
type Issuer struct{ Type, PrincipalID, ARN, AccountID, UserName string }

// OnBehalfOf is the Identity Center user behind a call.
type OnBehalfOf struct{ UserID, IdentityStoreARN string }

// InScopeOf is the resource that a role session was made for, such as a
// Lambda function.
type InScopeOf struct{ SourceARN, SourceAccount, IssuerType, CredentialsIssuedTo string }
