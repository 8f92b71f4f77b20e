"""Names, companies and other values of synthetic people: many scripts and lengths, and hostile ones."""

from __future__ import annotations

FIRST_NAMES = tuple(
    """
    James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard
    Susan Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty
    Anthony Sandra Mark Ashley Steven Emily Paul Kimberly Andrew Donna Joshua Michelle Kenneth Carol
    Kevin Amanda Brian Melissa George Deborah Timothy Stephanie Ronald Rebecca Jason Laura Edward
    Helen Jeffrey Sharon Ryan Cynthia Jacob Kathleen Gary Amy Nicholas Angela Eric Shirley Jonathan
    Brenda Stephen Emma Larry Pamela Justin Nicole Scott Samantha Brandon Katherine Benjamin
    Christine Samuel Debra Gregory Rachel Alexander Carolyn Patrick Janet Frank Maria Raymond Olivia
    Jack Heather Dennis Diane Jerry Julie Tyler Joyce Aaron Victoria José Sofía Luis Valentina Diego
    Camila Mateo Ximena Priya Arjun Ananya Rohan Fatima Omar Aisha Yusuf Linh Minh Mei Wei Hana
    Kenji Chloé François Zoë Søren Łukasz Małgorzata Jürgen Günther Siobhán Niamh Owen Blessing
    Chinedu Kwame Amara
    """.split()  # noqa: SIM905 -- a hundred quoted names would be three times as long
)
LAST_NAMES = tuple(
    """
    Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez
    Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris
    Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill
    Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips
    Evans Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers
    Gutierrez Ortiz Morgan Cooper Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson
    Watson Brooks Chavez Wood James Bennett Gray Mendoza Ruiz Hughes Price Alvarez Castillo Sanders
    Patel Myers Long Ross Foster O'Brien O'Neill D'Angelo McDonald MacLeod Smith-Jones García-López
    Müller Schröder Nowak Kowalczyk Novák Horváth Øverland Sørensen Åkesson Okafor Mensah Khan Singh
    Tran Chen
    """.split()  # noqa: SIM905
)

# Drawn as pairs: a Greek first name with a Chinese last name would be odder than any real account.
RARE_NAMES: tuple[tuple[str, str], ...] = (
    ("Ελένη", "Παπαδοπούλου"),
    ("Дмитрий", "Кузнецов"),
    ("Олександра", "Шевченко"),
    ("伟", "王"),
    ("秀英", "李"),
    ("さくら", "田中"),
    ("健太", "佐々木"),
    ("서연", "김"),
    ("محمد", "الأحمد"),
    ("فاطمة", "عبد الرحمن"),
    ("נועה", "כהן"),
    ("प्रिया", "शर्मा"),
    ("สมชาย", "ศรีสุวรรณ"),
    ("Nguyễn Thị Ánh", "Tuyết"),
    ("Þórdís", "Guðmundsdóttir"),
    ("Nevaeh ✨", "Jones 🌴"),
    ("Zoe\u0308", "A\u030angstro\u0308m"),  # letters and marks apart
    ("Keihanaʻikukauakahihuliheʻekahaunaele", "Kamakawiwoʻole"),  # noqa: RUF001 -- the okina is a letter of Hawaiian
    ("Wolfeschlegelsteinhausenbergerdorff", "Hubert Blaine Wolfeschlegelsteinhausenbergerdorff Sr."),
    ("Anne-Marie Élisabeth Charlotte", "de La Rochefoucauld-Montmorency"),
    ("X Æ", "A-12"),
    ("Ng", "O"),
    ("  Dana ", "Whitespace"),
    ("null", "Null"),
)
HOSTILE_NAMES: tuple[tuple[str, str], ...] = (
    ("<img src=x onerror=alert(1)>", "Bobby"),
    ("</script><script>alert('x')</script>", "Tables"),
    ('=HYPERLINK("http://x")', "Formula"),
    ("@SUM(1+1)*cmd|' /C calc'!A0", "+1+1"),
    ("Robert'); DROP TABLE contacts;--", "O'Drop"),
    ("{{7*7}}", "${7*7}"),
    ("Line\nBreak", 'Comma, "Quote"'),
    ("\u202eevitcejda", "Override"),  # turns the reading direction
)

NOTE = "Prefers texts after 5 pm; “call first” — see\nlast thread"

COMPANIES = (
    *(
        f"{first} {second}"
        for first in ("Acme", "Northwind", "Blue Harbor", "Cedar & Pine", "Redwood", "Summit", "Juniper")
        for second in ("Fitness", "Dental", "Realty", "Coffee Roasters", "Auto Group", "Law LLP")
    ),
    "Café Crème S.à r.l.",
    "株式会社さくら",
    "Müller & Söhne GmbH",
    "Smith <b>&</b> Sons",
    "A.C.M.E. Fitness",
    "acme fitness",
)

CITIES = (
    "Austin",
    "Brooklyn",
    "Chicago",
    "Denver",
    "Leeds",
    "Miami",
    "Montréal",
    "Portland",
    "San José",
    "Toronto",
)
LEAD_SOURCES = ("Website", "Instagram", "Referral", "Trade Show", "Cold Outreach", "Google Ads")
PLANS = ("Free", "Starter", "Pro", "Enterprise")
OWNERS = (
    "ana@example.com",
    "ben@example.com",
    "chris.oconnor@example.com",
    "dee@example.com",
    "sales@example.com",
)
