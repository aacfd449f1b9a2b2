package relation_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	citizen  = licensetest.Citizen
	spouse   = licensetest.Spouse
	other    = licensetest.Other
	child    = licensetest.Child
	company  = licensetest.Company
	company2 = "91990102MA0010017Q"
	firm     = licensetest.CompanyType
	birth    = licensetest.BirthType
	marriage = licensetest.MarriageType
	divorce  = licensetest.DivorceType
)

var (
	holder   = licensetest.Holder
	citizens = licensetest.Citizens
	issuer   = licensetest.Issuer
)

type world = licensetest.World

func TestMain(m *testing.M) { licensetest.Main(m) }
