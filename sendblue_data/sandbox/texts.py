"""What synthetic people and campaigns write."""

from __future__ import annotations

LINES = ("+12125550190", "+13105550191", "+14155550192", "+12065550193")
CAMPAIGNS = (
    "Hi! Our spring menu is here. Reply STOP to opt out.",
    "Your table is waiting: 20% off until Sunday.",
    "Doors open at 7. See you tonight? 🎉",
    "Thanks for joining us! What brought you here?",
    "Last call for the workshop on Saturday.",
    "A small survey: how did we do, 1 to 5?",
    "新商品が入荷しました。",
    "Rappel : votre rendez-vous est demain à 9 h.",
)
REPLIES = (
    "Thanks!",
    "5",
    "Can I bring a friend?",
    "please don't stop these, they're great",
    "who is this",
    "👍",
    "I can't make it",
    "<b>Yes</b> & <script>alert(1)</script>",
    "=1+1",
    "\u202eevil",
    "",
    "Sí, gracias",
)
STOPS = (
    "STOP",
    "Stop",
    "stop",
    "Stop.",
    " stop ",
    "STOP!",
    "Unsubscribe",
    "cancel",
    "opt out",
    "Opt-out",
    "QUIT",
    "end",
)
STARTS = ("START", "Start", "start", "Start!")
SEATS = (None, "ana@example.com", "ben@example.com")
SEAT_ID = "5d1f0c1e-0000-4000-8000-000000000001"
