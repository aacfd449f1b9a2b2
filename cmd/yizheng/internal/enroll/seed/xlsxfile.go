package seed

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// xlsxSink writes a workbook of one sheet by hand: libraries would refuse some of
// the cells that are wanted here, and would not give the same bytes every time.
type xlsxSink struct {
	zip    *zip.Writer
	sheet  io.Writer
	row    int
	shared []string // the shared strings, in order
	merged []string
}

const (
	mainSpace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relSpace  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packSpace = "http://schemas.openxmlformats.org/package/2006/"
	typeStart = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// xlsxParts are the parts that are the same for every workbook.
var xlsxParts = []struct{ name, body string }{
	{"[Content_Types].xml", `<Types xmlns="` + packSpace + `content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="` + typeStart + `sheet.main+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + typeStart + `worksheet+xml"/>` +
		`<Override PartName="/xl/styles.xml" ContentType="` + typeStart + `styles+xml"/>` +
		`<Override PartName="/xl/sharedStrings.xml" ContentType="` + typeStart + `sharedStrings+xml"/></Types>`},
	{"_rels/.rels", `<Relationships xmlns="` + packSpace + `relationships"><Relationship Id="rId1" Type="` +
		relSpace + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
	{"xl/workbook.xml", `<workbook xmlns="` + mainSpace + `" xmlns:r="` + relSpace + `"><sheets>` +
		`<sheet name="people" sheetId="1" r:id="rId1"/></sheets></workbook>`},
	{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + packSpace + `relationships">` +
		`<Relationship Id="rId1" Type="` + relSpace + `/worksheet" Target="worksheets/sheet1.xml"/>` +
		`<Relationship Id="rId2" Type="` + relSpace + `/styles" Target="styles.xml"/>` +
		`<Relationship Id="rId3" Type="` + relSpace + `/sharedStrings" Target="sharedStrings.xml"/></Relationships>`},
	// Style 1 shows a day as 2026-11-28.
	{"xl/styles.xml", `<styleSheet xmlns="` + mainSpace + `"><numFmts count="1">` +
		`<numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts>` +
		`<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>` +
		`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>` +
		`<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2">` +
		`<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>` +
		`<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>`},
}

func newXLSX(w io.Writer) (*xlsxSink, error) {
	s := &xlsxSink{zip: zip.NewWriter(w)}
	for _, p := range xlsxParts {
		if err := s.part(p.name, p.body); err != nil {
			return nil, err
		}
	}
	var err error
	if s.sheet, err = s.zip.Create("xl/worksheets/sheet1.xml"); err != nil {
		return nil, err
	}
	if _, err = io.WriteString(s.sheet, xml.Header+`<worksheet xmlns="`+mainSpace+`"><sheetData>`); err != nil {
		return nil, err
	}
	_, err = s.write(&row{cells: columns})
	return s, err
}

func (s *xlsxSink) part(name, body string) error {
	w, err := s.zip.Create(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+body)
	return err
}

func (s *xlsxSink) write(r *row) (int, error) {
	s.row++
	var b bytes.Buffer
	fmt.Fprintf(&b, `<row r="%d">`, s.row)
	for i, c := range r.cells {
		s.cell(&b, fmt.Sprintf("%c%d", 'A'+i, s.row), i, c, r.special[i])
	}
	b.WriteString("</row>")
	if r.mergeUp > 0 {
		col := 'A' + r.mergeUp
		s.merged = append(s.merged, fmt.Sprintf("%c%d:%c%d", col, s.row-1, col, s.row))
	}
	_, err := s.sheet.Write(b.Bytes())
	return s.row, err
}

// cell writes one cell. Names and remarks are shared strings, as Excel writes them,
// and other text stands in the cell itself, as many programs write it.
func (s *xlsxSink) cell(b *bytes.Buffer, ref string, col int, text string, sp special) {
	switch {
	case sp.what == "number":
		fmt.Fprintf(b, `<c r="%s"><v>%s</v></c>`, ref, sp.text)
	case sp.what == "date":
		fmt.Fprintf(b, `<c r="%s" s="1"><v>%d</v></c>`, ref, serial(sp.text))
	case sp.what == "formula" && strings.HasPrefix(text, "#"):
		fmt.Fprintf(b, `<c r="%s" t="e"><f>%s</f><v>%s</v></c>`, ref, escapeXML(sp.text), escapeXML(text))
	case sp.what == "formula" && text == "":
		fmt.Fprintf(b, `<c r="%s"><f>%s</f></c>`, ref, escapeXML(sp.text))
	case sp.what == "formula":
		fmt.Fprintf(b, `<c r="%s" t="str"><f>%s</f><v>%s</v></c>`, ref, escapeXML(sp.text), escapeXML(text))
	case text == "":
	case col == colName || col == colRemark:
		fmt.Fprintf(b, `<c r="%s" t="s"><v>%d</v></c>`, ref, len(s.shared))
		s.shared = append(s.shared, text)
	default:
		fmt.Fprintf(b, `<c r="%s" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, ref, escapeXML(text))
	}
}

// serial gives the number by which Excel keeps a day.
func serial(day string) int {
	t, err := time.Parse("2006-01-02", day)
	if err != nil {
		panic(err) // only days made by this program come here
	}
	return int(t.Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Hours() / 24)
}

func escapeXML(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// close adds an empty last row, the merged cells and the shared strings.
func (s *xlsxSink) close() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<row r="%d"/></sheetData>`, s.row+1)
	if len(s.merged) > 0 {
		fmt.Fprintf(&b, `<mergeCells count="%d">`, len(s.merged))
		for _, m := range s.merged {
			fmt.Fprintf(&b, `<mergeCell ref="%s"/>`, m)
		}
		b.WriteString("</mergeCells>")
	}
	b.WriteString("</worksheet>")
	if _, err := s.sheet.Write(b.Bytes()); err != nil {
		return err
	}
	b.Reset()
	fmt.Fprintf(&b, `<sst xmlns="%s" count="%d" uniqueCount="%d">`, mainSpace, len(s.shared), len(s.shared))
	for _, t := range s.shared {
		fmt.Fprintf(&b, `<si><t xml:space="preserve">%s</t></si>`, escapeXML(t))
	}
	b.WriteString("</sst>")
	if err := s.part("xl/sharedStrings.xml", b.String()); err != nil {
		return err
	}
	return s.zip.Close()
}
